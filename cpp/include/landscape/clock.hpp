// The clock of time limits.
#pragma once

#include <chrono>

namespace landscape {

// Seconds since a moment that never changes, on a clock that never goes back.
inline double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace landscape
