// A wrong server: nobody joins the threads, and nobody detaches them: each leaves its stack
// behind.
// fails: 3.2.stacks_do_not_pile_up
// cause: nobody joins it

// #region step-2
void release_thread(pthread_t) {}  // defect
// #endregion step-2
