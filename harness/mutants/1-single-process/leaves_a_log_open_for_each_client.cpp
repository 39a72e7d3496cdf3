// A wrong server: something else than the client is opened for each, and never closed.
// fails: 1.6.descriptors_do_not_pile_up
// cause: descriptor

// #region step-6
#include <fcntl.h>

int serve(int listener, const Options&) {
  for (;;) {
    const unique_fd client(accept_client(listener));
    if (!client) {
      if (!survive_accept_failure(errno)) return 1;
      continue;
    }
    [[maybe_unused]] const int log = ::open("/dev/null", O_WRONLY | O_CLOEXEC);  // defect
    echo_client(client.get());
  }
}
// #endregion step-6
