// A line search to the strong Wolfe conditions that asks for one trial at a time, so that many runs search side by side
// (Nocedal & Wright 2006, algorithms 3.5 and 3.6; Hager & Zhang 2005 where the values drown in their rounding).
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

namespace landscape::training {

class WolfeSearch {
 public:
  enum class Verdict { searching, found, failed };

  // value and slope < 0 at zero, the first trial, and what counts as equal values
  WolfeSearch(double value, double slope, double first, double rounding)
      : zero_{0.0, value, slope}, low_(zero_), rounding_(rounding), step_(first) {}

  double trial() const { return step_; }
  // The lowest step that decreased enough, 0 if none did; of a search that failed.
  double fallback() const { return low_.step; }

  // What the value and the slope are at the trial; a trial outside the domain has an infinite value.
  Verdict feed(double value, double slope) {
    const Point here{step_, value, slope};
    const bool finite = std::isfinite(value) && std::isfinite(slope);
    if (finite && approximately(here)) return Verdict::found;
    const bool too_high = !finite || value > zero_.value + kSufficient * step_ * zero_.slope || value >= low_.value;
    if (bracketed_) {
      if (too_high) {
        high_ = here;
      } else {
        if (std::abs(slope) <= -kCurvature * zero_.slope) return Verdict::found;
        if (slope * (high_.step - low_.step) >= 0.0) high_ = low_;
        low_ = here;
      }
    } else if (too_high) {
      bracketed_ = true;
      high_ = here;
    } else if (std::abs(slope) <= -kCurvature * zero_.slope) {
      return Verdict::found;
    } else if (slope >= 0.0) {
      bracketed_ = true;
      high_ = low_;
      low_ = here;
    } else {
      low_ = here;
    }
    if (++trials_ >= kTrials) return Verdict::failed;
    step_ = bracketed_ ? between() : 4.0 * step_;
    return std::isfinite(step_) && step_ > 0.0 && step_ != low_.step ? Verdict::searching : Verdict::failed;
  }

 private:
  struct Point {
    double step, value, slope;
  };

  static constexpr double kSufficient = 1e-4, kCurvature = 0.9;
  static constexpr int kTrials = 40;

  bool approximately(const Point& p) const {
    return p.value <= zero_.value + rounding_ && p.slope <= (2.0 * kSufficient - 1.0) * zero_.slope &&
           p.slope >= kCurvature * zero_.slope;
  }

  // The minimum of the cubic through both ends, kept away from them.
  double between() const {
    const double width = high_.step - low_.step;
    double step = low_.step + 0.5 * width;
    if (std::isfinite(high_.value) && std::isfinite(high_.slope)) {
      const double d1 = low_.slope + high_.slope - 3.0 * (low_.value - high_.value) / (low_.step - high_.step);
      const double under = d1 * d1 - low_.slope * high_.slope;
      if (under >= 0.0) {
        const double d2 = std::copysign(std::sqrt(under), width);
        const double cubic = high_.step - width * (high_.slope + d2 - d1) / (high_.slope - low_.slope + 2.0 * d2);
        if (std::isfinite(cubic)) step = cubic;
      }
    } else {
      step = low_.step + 0.1 * width;
    }
    const double near = low_.step + 0.1 * width, far = low_.step + 0.9 * width;
    return std::clamp(step, std::min(near, far), std::max(near, far));
  }

  Point zero_, low_, high_{};
  double rounding_, step_;
  bool bracketed_ = false;
  int trials_ = 0;
};

}  // namespace landscape::training
