// What the compiler reads before a server.cpp: the header of its lesson, once for all builds of it.
#include "server.hpp"
