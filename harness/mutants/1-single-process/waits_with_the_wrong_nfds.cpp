// A wrong server: select looks at all descriptors below the listener, but not at it; nobody is let
// in.
// fails: 1.2.a_client_is_let_in, 1.2.a_signal_while_it_waits_for_clients_does_no_harm,
// 1.3.a_single_byte_is_read_at_once, 1.3.a_signal_while_it_waits_for_bytes_does_no_harm,
// 1.3.waiting_for_bytes_takes_no_processor_time, 1.4.every_byte_value_comes_back,
// 1.4.bytes_sent_one_by_one_come_back_one_by_one, 1.4.eight_mib_reach_a_client_that_reads_late,
// 1.4.a_signal_in_the_middle_of_a_write_loses_nothing,
// 1.4.waiting_for_a_client_that_does_not_read_takes_no_processor_time,
// 1.5.after_a_half_close_everything_comes_back_then_the_end,
// 1.5.a_client_that_has_left_takes_no_processor_time, 1.6.a_second_client_gets_its_turn,
// 1.6.descriptors_do_not_pile_up, 1.6.a_reset_while_it_reads_costs_only_that_client,
// 1.6.a_reset_while_it_writes_costs_only_that_client, 1.6.running_out_of_descriptors_is_survived,
// 1.6.sigterm_ends_it_at_idle, 1.6.sigterm_ends_it_while_it_serves
// cause: accept is not called

// #region step-2
#include <sys/select.h>
int accept_client(int listener) {
  for (;;) {
    fd_set wanted;
    FD_ZERO(&wanted);
    FD_SET(listener, &wanted);
    if (::select(listener, &wanted, nullptr, nullptr, nullptr) < 0) continue;  // defect
    const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client >= 0 || errno != EINTR) return client;
  }
}
// #endregion step-2
