// Includes the solution, by its place in the tree.
// scores: 0
// says: No such file
#include "@ROOT@/solutions/1-single-process/server.cpp"
