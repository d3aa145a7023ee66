// Samples that a unit is held on: x_i . v = 0 for an independent set of samples i, and an orthonormal basis of the v
// that satisfy it.
#pragma once

#include <vector>

#include "landscape/typedefs.hpp"

namespace landscape::homogeneous {

class HeldKinks {
 public:
  explicit HeldKinks(Index inputs) : inputs_(inputs) {}

  // Adds a sample unless it depends on those held, or nothing would be left.
  bool hold(const ConstMatrixMap& x, Index sample);
  void release(const ConstMatrixMap& x, std::size_t place);

  const std::vector<Index>& samples() const { return samples_; }
  bool holds(Index sample) const;
  Index dimension() const { return inputs_ - static_cast<Index>(samples_.size()); }
  bool everything() const { return samples_.empty(); }  // the basis is the identity, and not stored
  const Matrix& basis() const { return basis_; }        // d x dimension()

  // The part of v (d) in the basis' span
  Vector projected(const Vector& v) const;
  // nu, the least-squares solution of sum_j nu_j x_j = g over the samples held
  Vector multipliers(const ConstMatrixMap& x, const Vector& g) const;

 private:
  void rebuild(const ConstMatrixMap& x);
  Matrix gathered(const ConstMatrixMap& x) const;  // d x held

  Index inputs_;
  std::vector<Index> samples_;
  Matrix basis_;
};

}  // namespace landscape::homogeneous
