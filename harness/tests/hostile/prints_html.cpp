// Its last words are a page that would run a script, and what a terminal would act on.
// scores: 0
// says: <script>document.title
#include <unistd.h>

// #region step-1
int open_listener(const char*, std::uint16_t) {
  const char words[] =
      "\x1b]0;owned\a\x1b[2J\x1b[31m\0\xff\xfe"
      "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">";
  (void)!::write(2, words, sizeof words - 1);
  ::_exit(1);
}
// #endregion step-1
