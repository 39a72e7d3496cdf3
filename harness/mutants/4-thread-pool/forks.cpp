// A wrong server: a worker forks for each client, and the child serves.
// fails: 4.3.the_number_of_threads_stays_the_same
// cause: of threads, not of processes

// #region step-2
#include <sys/wait.h>
#include <unistd.h>

void work(ClientQueue& queue, ClientRegistry& registry) {
  while (unique_fd client = queue.pop()) {
    registry.enter(client.get());
    const pid_t child = ::fork();  // defect
    if (child == 0) {
      echo_client(client.get());
      ::_exit(0);
    }
    ::waitpid(child, nullptr, 0);
    registry.leave(client.get());
  }
}
// #endregion step-2
