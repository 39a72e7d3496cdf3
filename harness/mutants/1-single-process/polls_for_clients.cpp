// A wrong server: a listener that does not block is asked again every millisecond.
// fails: 1.2.waiting_for_clients_takes_no_processor_time,
// 1.5.a_client_that_has_left_takes_no_processor_time
// cause: polls|block

// #region step-2
#include <fcntl.h>
int accept_client(int listener) {
  ::fcntl(listener, F_SETFL, O_NONBLOCK);
  for (;;) {
    const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client >= 0 || errno != EAGAIN) return client;
    ::usleep(1000);  // defect
  }
}
// #endregion step-2
