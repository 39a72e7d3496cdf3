// Is so large that the kernel cannot start it: 8 GiB of zeros, which take no room in the file.
// scores: 0
// says: SIG
// #region step-2
asm(".section vast, \"aw\", @nobits\n.zero 0x200000000\n.previous");
int accept_client(int listener) { return ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC); }
// #endregion step-2
