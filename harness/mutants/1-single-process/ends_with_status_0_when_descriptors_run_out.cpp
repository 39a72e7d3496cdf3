// A wrong server: EMFILE ends it, and it says that all is well.
// fails: 1.6.running_out_of_descriptors_is_survived
// cause: EMFILE|accept

// #region step-6
int serve(int listener, const Options&) {
  for (;;) {
    const unique_fd client(accept_client(listener));
    if (!client) {
      return 0;  // defect
    }
    echo_client(client.get());
  }
}
// #endregion step-6
