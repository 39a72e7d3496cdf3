#include "recorder.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace witness {
namespace {

Header* header = nullptr;
Slot* slots = nullptr;
std::uint64_t slot_count = 0;  // our own copy: what is in the file may be overwritten

// In a page that the kernel clears in the child of a fork, however that is made (MADV_WIPEONFORK,
// man 2 madvise): so it is never the parent's.
struct Identity {
  std::atomic<std::int32_t> pid;
};
Identity* identity = nullptr;

struct Self {
  std::int32_t pid, tid;
};
[[gnu::tls_model("initial-exec")]] thread_local Self self{};

std::int32_t current_pid() {
  if (identity == nullptr) return getpid();
  const std::int32_t known = identity->pid.load(std::memory_order_relaxed);
  if (known != 0) return known;
  record_birth();
  return identity->pid.load(std::memory_order_relaxed);
}

Self current() {
  const std::int32_t pid = current_pid();
  if (self.pid != pid) self = {pid, static_cast<std::int32_t>(syscall(SYS_gettid))};
  return self;
}

void write(const Event& event, const Frames& frames, Self who) {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  const std::uint64_t number = header->written.fetch_add(1, std::memory_order_relaxed);
  Slot& slot = slots[number % slot_count];
  slot.number.store(0, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  slot.time = now.tv_sec * 1'000'000'000 + now.tv_nsec;
  slot.pid = who.pid;
  slot.tid = who.tid;
  slot.fd = event.fd;
  slot.error = static_cast<std::uint16_t>(event.error);
  slot.kind = static_cast<std::uint8_t>(event.kind);
  slot.call = event.call;
  slot.result = event.result;
  slot.arguments[0] = event.first;
  slot.arguments[1] = event.second;
  for (std::size_t i = 0; i < frames.size(); ++i) slot.frames[i] = frames[i];
  slot.number.store(number + 1, std::memory_order_release);
  // The next event would wait for its memory to come into the cache; so it comes meanwhile.
  const auto* const next = reinterpret_cast<const char*>(&slots[(number + 1) % slot_count]);
  __builtin_prefetch(next, 1);
  __builtin_prefetch(next + sizeof(Slot) - 1, 1);
}

void* map(std::size_t size, int flags, int file) {
  void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, file, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

}  // namespace

bool open_ring(const char* path) {
  const int file = static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC));
  if (file == -1) return false;
  struct stat about {};
  auto size = fstat(file, &about) == 0 ? static_cast<std::size_t>(about.st_size) : 0;
  void* const memory = size > kHeaderBytes ? map(size, MAP_SHARED, file) : nullptr;
  syscall(SYS_close, file);
  if (memory == nullptr) return false;
  auto* const found = static_cast<Header*>(memory);
  if (found->magic != kMagic || found->slots == 0 ||
      kHeaderBytes + found->slots * sizeof(Slot) > size) {
    munmap(memory, size);
    errno = EINVAL;
    return false;
  }
  if (void* const page = map(kHeaderBytes, MAP_PRIVATE | MAP_ANONYMOUS, -1); page != nullptr) {
    if (madvise(page, kHeaderBytes, MADV_WIPEONFORK) == 0) identity = static_cast<Identity*>(page);
  }
  slots = reinterpret_cast<Slot*>(static_cast<char*>(memory) + kHeaderBytes);
  slot_count = found->slots;
  header = found;
  return true;
}

Header* ring() { return header; }

void record(const Event& event, const Frames& frames) {
  if (header == nullptr) return;
  const int error = errno;
  write(event, frames, current());
  errno = error;
}

void record_birth() {
  if (header == nullptr) return;
  const int error = errno;
  const auto pid = static_cast<std::int32_t>(syscall(SYS_getpid));
  if (identity != nullptr) {
    // A handler that came between may have been faster.
    std::int32_t nobody = 0;
    if (!identity->pid.compare_exchange_strong(nobody, pid)) return;
  }
  self = {pid, static_cast<std::int32_t>(syscall(SYS_gettid))};
  const auto base = static_cast<long>(load_base());
  write({.kind = Kind::kStart, .call = kProcess, .first = getppid(), .second = base}, {}, self);
  errno = error;
}

}  // namespace witness
