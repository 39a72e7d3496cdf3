#include <dlfcn.h>

#include "wrap.hpp"

namespace witness {

void* next_function(const char* name, const char* version) {
  // Of a function with several versions, the newest is not what dlsym is sure to find.
  void* const found = version != nullptr ? dlvsym(RTLD_NEXT, name, version) : nullptr;
  return found != nullptr ? found : dlsym(RTLD_NEXT, name);
}

}  // namespace witness
