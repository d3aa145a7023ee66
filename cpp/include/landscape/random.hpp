// Counter-based random numbers: a draw is a pure function of (seed, stream, index), so any split of the work over
// threads or batches draws the same numbers. Mixing function: SplitMix64 (Steele, Lea & Flood 2014).
#pragma once

#include <cmath>
#include <cstdint>

#include "landscape/typedefs.hpp"

namespace landscape {

class CounterRandom {
 public:
  CounterRandom(std::uint64_t seed, std::uint64_t stream)
      : key_(mix(mix(seed) ^ (stream * 0xD1B54A32D192ED03ULL + 1))) {}

  std::uint64_t bits(std::uint64_t index) const { return mix(key_ + index * 0x9E3779B97F4A7C15ULL); }

  // Uniform on (0, 1): 53 bits, never 0.
  double uniform(std::uint64_t index) const { return (static_cast<double>(bits(index) >> 11) + 0.5) * 0x1.0p-53; }

  // Standard normal by Box-Muller from the two uniforms 2*index and 2*index + 1.
  double normal(std::uint64_t index) const {
    constexpr double two_pi = 6.283185307179586;
    return std::sqrt(-2.0 * std::log(uniform(2 * index))) * std::cos(two_pi * uniform(2 * index + 1));
  }

 private:
  static std::uint64_t mix(std::uint64_t z) {
    z += 0x9E3779B97F4A7C15ULL;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }

  std::uint64_t key_;
};

}  // namespace landscape
