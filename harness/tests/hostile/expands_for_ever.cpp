// Has the compiler expand a template that needs itself.
// scores: 0
// says: template instantiation depth
// #region step-2
template <int N>
constexpr int endless() {
  return 1 + endless<N + 1>();
}
int accept_client(int listener) { return listener + endless<0>(); }
// #endregion step-2
