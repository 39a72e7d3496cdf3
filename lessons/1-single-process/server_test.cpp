#include "catch.hpp"
TEST_CASE("x") {}
