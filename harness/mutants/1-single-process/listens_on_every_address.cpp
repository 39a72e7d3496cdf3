// A wrong server: INADDR_ANY instead of the host; the whole network can reach a server that was
// meant for this machine.
// fails: 1.1.it_listens_where_it_was_told_to
// cause: address|host

// #region step-1
int open_listener(const char*, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_ANY);  // defect
  unique_fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return -1;
  if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return -1;
  if (::listen(listener.get(), 128) != 0) return -1;
  return listener.release();
}
// #endregion step-1
