// A wrong server: the port is not converted to network byte order; it listens on another one.
// fails: 1.1.it_listens_where_it_was_told_to,
// 1.1.it_starts_again_at_once_on_the_port_it_just_used
// perhaps: 1.1.a_taken_port_is_said_and_ends_it
// cause: htons

// #region step-1
int open_listener(const char* host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = port;  // defect
  if (::inet_pton(AF_INET, host, &address.sin_addr) != 1) return -1;
  unique_fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return -1;
  if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return -1;
  if (::listen(listener.get(), 128) != 0) return -1;
  return listener.release();
}
// #endregion step-1
