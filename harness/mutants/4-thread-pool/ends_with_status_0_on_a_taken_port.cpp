// A wrong server: it leaves with exit status 0, also when its port is taken.
// fails: 4.1.a_taken_port_is_said_and_ends_it
// cause: exit\(0\)

// #region step-4
#include <unistd.h>

#include <cstdlib>

namespace {
[[maybe_unused]] const int registered = std::atexit([] { ::_exit(0); });  // defect
}

int serve(int listener, const Options& options) {
  ClientQueue queue(static_cast<std::size_t>(options.threads));
  ClientRegistry registry;
  Pool pool(queue, registry);
  pthread_t stop_thread{};
  if (!start_stop_thread(listener, queue, stop_thread)) return 1;
  if (!pool.start(options.threads)) return 1;
  for (;;) {
    unique_fd client(accept_client(listener));
    const int error = errno;
    if (client) {
      queue.push(std::move(client));
    } else if (queue.closed() || !survive_accept_failure(error)) {
      break;
    }
  }
  const int status = queue.closed() ? 0 : 1;

  queue.close();
  registry.shut_down(SHUT_RD);
  if (!pool.join_within(grace)) registry.shut_down(SHUT_RDWR);
  pool.join();
  end_stop_thread(stop_thread);
  return status;
}
// #endregion step-4
