// A wrong server: of what was read, only the first 1024 bytes are sent back.
// fails: 1.4.eight_mib_reach_a_client_that_reads_late,
// 1.4.a_signal_in_the_middle_of_a_write_loses_nothing,
// 1.5.after_a_half_close_everything_comes_back_then_the_end
// cause: changed on their way|dropped

// #region step-5
#include <algorithm>

std::uint64_t echo_client(int client) {
  char data[16 * 1024];
  std::uint64_t echoed = 0;
  for (;;) {
    const ssize_t count = read_some(client, data, sizeof data);
    if (count <= 0) return echoed;
    if (!write_all(client, data, std::min<std::size_t>(1024, std::size_t(count)))) return echoed;  // defect
    echoed += static_cast<std::uint64_t>(count);
  }
}
// #endregion step-5
