// A wrong server: a child that a signal has killed ends the whole server.
// fails: 2.1.a_client_sees_the_end_when_its_process_is_killed
// cause: the end of a child ends the server

// #region step-2
void reap_children() {
  const int error = errno;
  for (int status = 0; ::waitpid(-1, &status, WNOHANG) > 0;) {
    if (WIFSIGNALED(status)) ::_exit(1);  // defect
  }
  errno = error;
}
// #endregion step-2
