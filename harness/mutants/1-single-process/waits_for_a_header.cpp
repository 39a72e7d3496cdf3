// A wrong server: two bytes have to be there before it begins; a client that sends one waits in
// vain.
// fails: 1.3.a_single_byte_is_read_at_once, 1.3.a_signal_while_it_waits_for_bytes_does_no_harm,
// 1.4.bytes_sent_one_by_one_come_back_one_by_one
// cause: read is not called|more than there is

// #region step-5
std::uint64_t echo_client(int client) {
  char data[16 * 1024];
  while (::recv(client, data, 2, MSG_PEEK | MSG_WAITALL) < 0 && errno == EINTR) {  // defect
  }
  std::uint64_t echoed = 0;
  for (;;) {
    const ssize_t count = read_some(client, data, sizeof data);
    if (count <= 0) return echoed;
    if (!write_all(client, data, static_cast<std::size_t>(count))) return echoed;
    echoed += static_cast<std::uint64_t>(count);
  }
}
// #endregion step-5
