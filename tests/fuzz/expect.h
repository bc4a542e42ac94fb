// What a fuzz target says must hold; a crash is what the fuzzer looks for.
#pragma once

#include <cstdlib>

inline void expect(bool holds) {
  if (!holds) std::abort();
}
