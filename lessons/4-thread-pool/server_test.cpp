#include "server.hpp"

#include "catch.hpp"
#include "testing.hpp"
