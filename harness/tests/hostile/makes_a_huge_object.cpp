// Has the assembler write more than a disk should hold.
// scores: 0
// says: limit
// #region step-2
char huge[1L << 30] = {1};
int accept_client(int listener) { return ::accept(listener, nullptr, nullptr) + huge[1]; }
// #endregion step-2
