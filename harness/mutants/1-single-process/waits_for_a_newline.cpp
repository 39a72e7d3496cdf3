// A wrong server: getline; a client without a newline is answered only when it sends no more.
// fails: 1.4.every_byte_value_comes_back, 1.4.bytes_sent_one_by_one_come_back_one_by_one,
// 1.4.eight_mib_reach_a_client_that_reads_late,
// 1.4.a_signal_in_the_middle_of_a_write_loses_nothing,
// 1.5.a_client_that_has_left_takes_no_processor_time, 1.6.a_second_client_gets_its_turn,
// 1.6.descriptors_do_not_pile_up, 1.6.a_reset_while_it_reads_costs_only_that_client,
// 1.6.a_reset_while_it_writes_costs_only_that_client, 1.6.running_out_of_descriptors_is_survived,
// 1.6.sigterm_ends_it_at_idle, 1.6.sigterm_ends_it_while_it_serves
// cause: after a newline

// #region step-5
#include <cstdio>
#include <cstdlib>
std::uint64_t echo_client(int client) {
  FILE* const input = ::fdopen(::dup(client), "r");
  char* line = nullptr;
  std::size_t room = 0;
  for (;;) {
    const ssize_t count = ::getline(&line, &room, input);  // defect
    if (count < 0 && std::ferror(input) && errno == EINTR) {
      std::clearerr(input);
      continue;
    }
    if (count < 0 || !write_all(client, line, static_cast<std::size_t>(count))) break;
  }
  std::free(line);
  std::fclose(input);
  return 0;
}
// #endregion step-5
