// A pool for any work, not for clients alone: the queue holds std::packaged_task, a semaphore counts
// them, and a client is one task.
// command: ./runs_packaged_tasks {port} {threads}
#include <deque>
#include <future>
#include <mutex>
#include <semaphore>
#include <thread>
#include <vector>

#include "serving.hpp"

namespace {

using Task = std::packaged_task<void()>;

class Pool {
 public:
  explicit Pool(int threads) {
    while (threads-- > 0) {
      workers_.emplace_back([this] {
        for (;;) next()();
      });
    }
  }

  std::future<void> submit(Task task) {
    std::future<void> future = task.get_future();
    {
      const std::scoped_lock lock(mutex_);
      tasks_.push_back(std::move(task));
    }
    count_.release();
    return future;
  }

 private:
  Task next() {
    count_.acquire();
    const std::scoped_lock lock(mutex_);
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    return task;
  }

  std::mutex mutex_;
  std::counting_semaphore<> count_{0};
  std::deque<Task> tasks_;
  std::vector<std::jthread> workers_;
};

}  // namespace

int main(int, char** argv) {
  const int listener = listen_on(argv[1]);
  end_on_sigterm();
  Pool pool(std::atoi(argv[2]));
  for (;;) {
    const int client = next_client(listener);
    pool.submit(Task([client] { serve(client); }));
  }
}
