// A wrong server: every failure of accept ends it: a signal, and a lack of descriptors.
// fails: 1.2.a_signal_while_it_waits_for_clients_does_no_harm,
// 1.6.running_out_of_descriptors_is_survived
// cause: EINTR

// #region step-2
int accept_client(int listener) { return ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC); }  // defect
// #endregion step-2

// #region step-6
int serve(int listener, const Options&) {
  for (;;) {
    const unique_fd client(accept_client(listener));
    if (!client) return 1;
    echo_client(client.get());
  }
}
// #endregion step-6
