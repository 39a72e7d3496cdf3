// A wrong server: the client gets its end of file, but its descriptor leaks.
// fails: 1.6.descriptors_do_not_pile_up
// cause: descriptor is not closed

// #region step-6
int serve(int listener, const Options&) {
  for (;;) {
    const int client = accept_client(listener);
    if (client < 0) {
      if (!survive_accept_failure(errno)) return 1;
      continue;
    }
    echo_client(client);
    ::shutdown(client, SHUT_RDWR);  // defect
  }
}
// #endregion step-6
