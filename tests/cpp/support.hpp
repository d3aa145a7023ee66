// Shared by the C++ tests: random matrices from the library's own generator, and distances.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>

#include "landscape/context.hpp"
#include "landscape/random.hpp"
#include "landscape/typedefs.hpp"

namespace support {

using landscape::Context;
using landscape::Index;
using landscape::Matrix;
using landscape::Vector;

inline Matrix random_matrix(Index rows, Index cols, std::uint64_t seed) {
  const landscape::CounterRandom random(seed, 0);
  Matrix result(rows, cols);
  for (Index i = 0; i < result.size(); ++i) result.data()[i] = random.normal(static_cast<std::uint64_t>(i));
  return result;
}

inline double distance(const Matrix& a, const Matrix& b) { return (a - b).cwiseAbs().maxCoeff(); }

inline Context threads(int n) { return Context{n, nullptr, nullptr}; }

}  // namespace support
