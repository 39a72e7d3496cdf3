// A wrong server: the data is treated as a C string; the echo stops at a zero byte.
// fails: 1.4.every_byte_value_comes_back, 1.4.eight_mib_reach_a_client_that_reads_late,
// 1.4.a_signal_in_the_middle_of_a_write_loses_nothing,
// 1.5.after_a_half_close_everything_comes_back_then_the_end
// cause: zero byte

// #region step-5
#include <cstring>
std::uint64_t echo_client(int client) {
  char data[16 * 1024 + 1];
  std::uint64_t echoed = 0;
  for (;;) {
    const ssize_t count = read_some(client, data, sizeof data - 1);
    if (count <= 0) return echoed;
    data[count] = 0;
    if (!write_all(client, data, std::strlen(data))) return echoed;  // defect
    echoed += std::strlen(data);
  }
}
// #endregion step-5
