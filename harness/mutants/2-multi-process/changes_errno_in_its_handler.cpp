// A wrong server: the handler leaves ECHILD in errno; accept that was interrupted seems to have
// failed for good.
// fails: 2.4.the_handler_leaves_errno_as_it_was
// cause: the handler changes errno

// #region step-2
void reap_children() {
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {  // defect
  }
}
// #endregion step-2
