// main() of the unit tests where the system's Catch2 is version 2, which brings none.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
