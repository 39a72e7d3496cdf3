// All at once what is hard on a witness: processes, signals and threads, each with calls of its own.
// Prints what it has done, and ends with status 0 if none of it went wrong.
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace {

constexpr int kThreads = 64, kRounds = 50, kChildren = 50;
int pipe_ends[2];
std::atomic<int> signals = 0;

void require(bool holds, const char* what) {
  if (holds) return;
  std::perror(what);
  std::exit(1);
}

// A handler that makes calls itself, and keeps errno as it should.
void on_alarm(int) {
  const int error = errno;
  const char byte = 'x';
  ++signals;
  if (write(pipe_ends[1], &byte, 1) < 0 && errno != EAGAIN) std::abort();
  errno = error;
}

// `size` is not known at compile time: with _FORTIFY_SOURCE the read is checked (__read_chk).
void exchange(int rounds) {
  int ends[2];
  require(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
  std::array<char, 64> data{};
  const std::size_t size = static_cast<std::size_t>(rounds) % 32 + 1;
  for (int i = 0; i < rounds; ++i) {
    while (write(ends[0], data.data(), size) < 0) require(errno == EINTR, "write");
    while (read(ends[1], data.data(), size) < 0) require(errno == EINTR, "read");
  }
  close(ends[0]);
  close(ends[1]);
}

void* in_a_thread(void*) {
  exchange(kRounds);
  return nullptr;
}

}  // namespace

int main() {
  require(pipe2(pipe_ends, O_NONBLOCK) == 0, "pipe");
  struct sigaction action {};
  action.sa_handler = on_alarm;
  action.sa_flags = SA_RESTART;
  require(sigaction(SIGALRM, &action, nullptr) == 0, "sigaction");
  const itimerval often{{0, 500}, {0, 500}};
  require(setitimer(ITIMER_REAL, &often, nullptr) == 0, "setitimer");

  for (int i = 0; i < kChildren; ++i) {
    const pid_t child = fork();
    require(child >= 0, "fork");
    if (child == 0) {
      exchange(2);
      _exit(7);
    }
  }
  for (int left = kChildren; left > 0;) {
    int status = 0;
    if (waitpid(-1, &status, 0) > 0) {
      require(WIFEXITED(status) && WEXITSTATUS(status) == 7, "child");
      --left;
    } else {
      require(errno == EINTR, "waitpid");
    }
  }

  std::array<pthread_t, kThreads> threads{};
  for (pthread_t& thread : threads) {
    require(pthread_create(&thread, nullptr, in_a_thread, nullptr) == 0, "pthread_create");
  }
  for (const pthread_t thread : threads) require(pthread_join(thread, nullptr) == 0, "join");

  const itimerval never{};
  require(setitimer(ITIMER_REAL, &never, nullptr) == 0, "setitimer");
  std::printf("%d children, %d threads, %d signals\n", kChildren, kThreads, signals.load());
}
