// A wrong server: SIGTERM is ignored; only SIGKILL ends it.
// fails: 1.6.sigterm_ends_it_at_idle, 1.6.sigterm_ends_it_while_it_serves
// cause: SIGTERM is ignored

// #region step-6
#include <csignal>

int serve(int listener, const Options&) {
  ::signal(SIGTERM, SIG_IGN);  // defect
  for (;;) {
    const unique_fd client(accept_client(listener));
    if (!client) {
      if (!survive_accept_failure(errno)) return 1;
      continue;
    }
    echo_client(client.get());
  }
}
// #endregion step-6
