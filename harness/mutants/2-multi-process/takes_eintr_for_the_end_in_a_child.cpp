// A wrong server: a signal while a child waits for bytes drops its client.
// fails: 2.3.a_signal_to_a_child_does_not_drop_its_client
// cause: EINTR is taken for the end

// #region step-1
namespace {
void echo(int client) {
  char data[16 * 1024];
  for (;;) {
    const ssize_t count = ::read(client, data, sizeof data);  // defect
    if (count <= 0 || !write_all(client, data, static_cast<std::size_t>(count))) return;
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
