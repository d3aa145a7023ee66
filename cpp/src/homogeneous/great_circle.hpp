// Local search for units of power 1 that knows about kinks: an active set of samples kept at zero and global maxima on
// great circles.
#pragma once

#include <functional>
#include <vector>

#include "landscape/homogeneous/activation.hpp"
#include "scaled.hpp"

namespace landscape::homogeneous {

// max over theta of | sum_i act(cos(theta) a_i + sin(theta) b_i) q_i |, a_i = x_i . w, b_i = x_i . v: the kinks are
// sorted, and on the arc between two of them the square is |P|^2 c^2 + 2 P.R c s + |R|^2 s^2. O(m log m + m nL).
class GreatCircle {
 public:
  GreatCircle(const Scaled& data, double slope);

  struct Point {
    double value = 0.0, cosine = 1.0, sine = 0.0;
    Index kink = -1;  // the sample that vanishes there
  };
  // Samples with `fixed` set are zero all along. `known`: only points above it are of interest.
  Point search(const Vector& a, const Vector& b, const std::vector<char>& fixed, double known);

 private:
  struct Kink {
    double key;  // grows with the angle in [0, pi)
    int sample;
  };
  template <bool scalar>
  struct Sums;

  template <bool scalar>
  Point search_arcs(const Vector& a, const Vector& b, const std::vector<char>& fixed, double known);
  void sort(Index n);  // kinks_ into sorted_

  const Scaled& data_;
  double slope_;
  std::vector<Kink> kinks_, sorted_;
  std::vector<char> on_;
  std::vector<int> first_;
  Vector p_, r_;
};

class FaceAscent {
 public:
  FaceAscent(const Scaled& data, double slope);

  // Improves the unit vector w and returns f(w); `steps` counts the great circles, before each of which `check` runs.
  double climb(Vector& w, double tolerance, Index max_steps, Index& steps, const std::function<void()>& check);

 private:
  bool search_along(Vector& w, double tolerance);  // along direction_; moves w, t_ and value_ to a better point
  void differentiate();
  void leading_direction(const Vector& w);
  bool release(const Vector& w, double tolerance);
  double value_of(const Vector& t);
  void add(Index sample);
  void rebuild();
  void project(Vector& v) const;  // onto the complement of Z

  const Scaled& data_;
  double slope_;
  GreatCircle circle_;
  Vector t_, b_, weight_, output_, gradient_, direction_, multipliers_;
  Matrix jacobian_, small_, scaled_q_;  // A (nL x d)
  double value_ = 0.0;
  std::vector<Index> zero_;  // Z, linearly independent
  std::vector<char> fixed_;  // in the span of Z
  Matrix basis_, triangle_;  // X_Z = triangle basis, orthonormal rows
};

}  // namespace landscape::homogeneous
