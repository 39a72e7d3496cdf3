// Has the compiler read without end.
// scores: 0
// says: does not compile
#include "/dev/zero"
