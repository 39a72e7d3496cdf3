// A wrong server: bytes are taken for text; what follows a zero byte is not echoed.
// fails: 2.1.every_byte_value_comes_back, 2.1.eight_mib_reach_a_client_that_reads_late,
// 2.1.after_a_half_close_everything_comes_back_then_the_end
// cause: stops at a zero byte

// #region step-1
namespace {
void echo(int client) {
  char data[1024 + 1];
  for (;;) {
    const ssize_t count = read_some(client, data, sizeof data - 1);
    if (count <= 0) return;
    data[count] = '\0';
    if (!write_all(client, data, std::strlen(data))) return;  // defect
  }
}
}  // namespace

pid_t start_child(int listener, unique_fd client) {
  sigset_t sigterm, before;
  ::sigemptyset(&sigterm);
  ::sigaddset(&sigterm, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &sigterm, &before);

  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGCHLD, SIG_DFL);
    ::signal(SIGTERM, SIG_DFL);
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    ::close(listener);
    echo(client.get());
    ::_exit(0);
  }

  const int error = errno;
  client.reset();
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return child;
}
// #endregion step-1
