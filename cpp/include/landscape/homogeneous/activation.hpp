// The unit of a one-hidden-layer network: act(t) = max(t, a t)^p with slope a in [-1, 1] and p in {1, 2}, so that
// act(s t) = s^p act(t) for s >= 0.
//
//   relu (0, 1)   leaky relu (a, 1)   absolute value (-1, 1)   linear (1, 1)   squared relu (0, 2)   quadratic (-1, 2)
#pragma once

#include "landscape/errors.hpp"

namespace landscape::homogeneous {

struct Activation {
  double slope = 0.0;
  int power = 1;

  double value(double t) const {
    const double s = t > 0.0 ? t : slope * t;
    return power == 1 ? s : s * s;
  }

  // The one-sided derivative from the left at t = 0.
  double derivative(double t) const {
    const double side = t > 0.0 ? 1.0 : slope;
    return power == 1 ? side : 2.0 * side * side * t;
  }

  bool linear() const { return slope == 1.0 && power == 1; }
  bool even() const { return slope == -1.0 || (slope == 1.0 && power == 2); }  // act(-t) = act(t)
};

inline void require_valid(const Activation& act) {
  require(act.slope >= -1.0 && act.slope <= 1.0, "slope must be between -1 and 1");
  require(act.power == 1 || act.power == 2, "power must be 1 or 2");
}

}  // namespace landscape::homogeneous
