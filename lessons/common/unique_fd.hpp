// A file descriptor that is closed exactly once. Given code, for every lesson.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <utility>

// Owns one descriptor. Move-only: two owners would close the same number twice, and by the second
// time the kernel may have given that number to somebody else's connection.
class unique_fd {
 public:
  unique_fd() = default;
  explicit unique_fd(int fd) : fd_(fd) {}
  unique_fd(unique_fd&& other) noexcept : fd_(other.release()) {}
  unique_fd& operator=(unique_fd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~unique_fd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

  // Gives the descriptor away: the caller closes it now.
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }

  // Closes what it held and takes `fd`. close() is never retried after EINTR: Linux has released
  // the number by then, and another thread may own it already (man 2 close). errno is kept, so that
  // leaving a function early does not change the reason why it failed.
  void reset(int fd = -1) {
    const int error = errno;
    if (fd_ >= 0) ::close(fd_);
    errno = error;
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

// close(unique_fd) would leave the owner with a number that is no longer its own.
void close(const unique_fd&) = delete;
