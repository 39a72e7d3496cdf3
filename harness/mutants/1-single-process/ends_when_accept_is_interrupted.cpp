// A wrong server: EINTR counts as a failure of the listener; a signal ends the server.
// fails: 1.2.a_signal_while_it_waits_for_clients_does_no_harm
// cause: EINTR

// #region step-2
int accept_client(int listener) { return ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC); }  // defect
// #endregion step-2

// #region step-6
int serve(int listener, const Options&) {
  for (;;) {
    const unique_fd client(accept_client(listener));
    if (!client) {
      if (errno == EINTR || !survive_accept_failure(errno)) return 1;
      continue;
    }
    echo_client(client.get());
  }
}
// #endregion step-6
