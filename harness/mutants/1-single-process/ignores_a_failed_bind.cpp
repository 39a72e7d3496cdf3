// A wrong server: when the port is taken, listen gives the socket a port that nobody knows.
// fails: 1.1.a_taken_port_is_said_and_ends_it
// cause: a failure of bind or listen is ignored

// #region step-1
int open_listener(const char* host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (::inet_pton(AF_INET, host, &address.sin_addr) != 1) return -1;
  unique_fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return -1;
  ::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);  // defect
  if (::listen(listener.get(), 128) != 0) return -1;
  return listener.release();
}
// #endregion step-1
