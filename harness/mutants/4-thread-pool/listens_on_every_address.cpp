// A wrong server: the listener is bound to every address, and not to the one of the command line.
// fails: 4.1.it_listens_where_it_was_told_to
// cause: INADDR_ANY

// #region step-4
#include <netinet/in.h>
#include <sys/syscall.h>
#include <unistd.h>

extern "C" int bind(int fd, const sockaddr* address, socklen_t size) noexcept {
  sockaddr_in any = *reinterpret_cast<const sockaddr_in*>(address);
  any.sin_addr.s_addr = INADDR_ANY;  // defect
  return static_cast<int>(::syscall(SYS_bind, fd, &any, size));
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
