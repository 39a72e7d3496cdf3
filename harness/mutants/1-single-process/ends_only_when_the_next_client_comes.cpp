// A wrong server: SIGTERM sets a flag, but accept goes on waiting (SA_RESTART).
// fails: 1.6.sigterm_ends_it_at_idle
// cause: SIGTERM

// #region step-6
#include <csignal>

volatile std::sig_atomic_t ending = 0;

int serve(int listener, const Options&) {
  ::signal(SIGTERM, [](int) { ending = 1; });  // defect
  while (!ending) {
    const unique_fd client(accept_client(listener));
    if (!client) {
      if (!survive_accept_failure(errno)) return 1;
      continue;
    }
    echo_client(client.get());
  }
  return 0;
}
// #endregion step-6
