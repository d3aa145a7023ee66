// Exceptions of the core. Wrong input is std::invalid_argument; mathematics that does not converge is a status.
#pragma once

#include <stdexcept>
#include <string>

namespace landscape {

// The caller's Monitor asked a long computation to stop.
class Interrupted : public std::runtime_error {
 public:
  Interrupted() : std::runtime_error("interrupted") {}
};

// A decomposition did not converge (LAPACK info > 0, Eigen NoConvergence), which finite input does not cause in
// practice.
class NumericalFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline void require(bool condition, const std::string& message) {
  if (!condition) throw std::invalid_argument(message);
}

}  // namespace landscape
