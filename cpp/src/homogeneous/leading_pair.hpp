// The leading eigenpair of a symmetric matrix of order up to 5.
#pragma once

#include "landscape/typedefs.hpp"

namespace landscape::homogeneous {

// Eigenvalues l1 >= l2 >= ... of m (d x d), and a unit eigenvector of l1.
struct LeadingPair {
  double l1 = 0.0, l2 = 0.0;
};
LeadingPair leading_pair(const double* m, Index d, double* vector);

}  // namespace landscape::homogeneous
