// Local maximisers on the circle, thinned out: the largest first, then every one far enough from those taken.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "landscape/homogeneous/maximizers.hpp"

namespace landscape::homogeneous {

struct Candidate {
  double squared, w1, w2;  // f^2 and a unit w
};

// Values times 2^exponent. Of equal candidates the earlier one is taken.
inline Maximizers separated(std::vector<Candidate> candidates, double separation, Index count, int exponent) {
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.squared > b.squared; });
  const double chord = 2.0 * std::sin(0.5 * std::clamp(separation, 0.0, 3.14159265358979323846));
  std::vector<Candidate> taken;
  for (const Candidate& c : candidates) {
    if (static_cast<Index>(taken.size()) >= count) break;
    const bool near = std::any_of(taken.begin(), taken.end(), [&](const Candidate& t) {
      const double d1 = c.w1 - t.w1, d2 = c.w2 - t.w2;
      return d1 * d1 + d2 * d2 < chord * chord || (d1 == 0.0 && d2 == 0.0);
    });
    if (!near) taken.push_back(c);
  }
  const Index k = static_cast<Index>(taken.size());
  Maximizers result{Matrix(k, 2), Vector(k)};
  for (Index i = 0; i < k; ++i) {
    const Candidate& c = taken[static_cast<std::size_t>(i)];
    result.directions.row(i) << c.w1, c.w2;
    result.values(i) = std::ldexp(std::sqrt(c.squared), exponent);
  }
  return result;
}

}  // namespace landscape::homogeneous
