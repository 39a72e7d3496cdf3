// Tries to preload a library of its own into whatever starts next, and shakes off what was preloaded
// into itself. Its write_all is wrong, so that somebody looks.
// scores: 82
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <initializer_list>

// #region step-4
[[gnu::constructor]] static void attack() {
  const char* const witness = ::getenv("LD_PRELOAD");
  for (const char* path :
       {"/etc/ld.so.preload", "/etc/ld.so.cache", "/lib/x86_64-linux-gnu/libc.so.6", witness})
    if (path != nullptr && ::open(path, O_WRONLY | O_CREAT, 0755) != -1) std::abort();
  if (witness == nullptr) return;
  ::unsetenv("LD_PRELOAD");
  char* arguments[64] = {};
  static char words[65536];
  const int file = ::open("/proc/self/cmdline", O_RDONLY);
  const ssize_t size = ::read(file, words, sizeof words - 1);
  ::close(file);
  int count = 0;
  for (char* word = words; word < words + size && count < 63; word += __builtin_strlen(word) + 1)
    arguments[count++] = word;
  ::execv("/proc/self/exe", arguments);
}

bool write_all(int fd, const char* data, std::size_t size) {
  return ::send(fd, data, size > 1000 ? 1000 : size, MSG_NOSIGNAL) >= 0;
}
// #endregion step-4
