// A wrong server: a restart fails in bind for a minute while an old connection is in TIME_WAIT.
// fails: 1.1.it_starts_again_at_once_on_the_port_it_just_used
// cause: SO_REUSEADDR

// #region step-1
int open_listener(const char* host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (::inet_pton(AF_INET, host, &address.sin_addr) != 1) return -1;
  unique_fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return -1;  // defect
  if (::listen(listener.get(), 128) != 0) return -1;
  return listener.release();
}
// #endregion step-1
