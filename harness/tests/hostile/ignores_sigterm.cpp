// Does not want to end: it blocks all signals that it can.
// scores: 96
// says: SIGTERM
#include <signal.h>

#include <csignal>

[[gnu::constructor]] static void attack() {
  for (int number = 1; number < 65; ++number)
    if (number != SIGUSR1) ::signal(number, SIG_IGN);
}
