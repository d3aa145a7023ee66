// Extreme eigenpairs of a symmetric operator by thick-restart Lanczos (Wu & Simon 2000) with full reorthogonalisation.
//
// A Krylov space holds one copy of a repeated eigenvalue, and Hessians of these landscapes repeat theirs. So after
// convergence the search goes on in the complement of what was found, until nothing there is more extreme. One pair of
// a large operator, whose copies do not matter, comes from the plain recurrence first.
#pragma once

#include <cstdint>
#include <functional>

#include "landscape/context.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::linalg {

// y <- A x, both of length n
using SymmetricOperator = std::function<void(const double* x, double* y)>;

struct LanczosSettings {
  Index count = 1;
  bool largest = false;     // else the algebraically smallest
  double tolerance = 1e-8;  // on |A x - theta x| relative to the largest |Ritz value| seen
  Index max_products = 0;   // 0: 10 n, ARPACK's customary allowance, at least 1000
  Index basis = 0;          // 0: max(2 count + 1, 20), ARPACK's rule
  std::uint64_t seed = 0;   // of the starting vectors
};

struct LanczosResult {
  Vector values;     // count, most extreme first
  Matrix vectors;    // count x n: orthonormal rows
  Vector residuals;  // |A x - theta x|, evaluated with the operator
  Index products = 0;
  bool converged = false;
};

LanczosResult lanczos(const SymmetricOperator& apply, Index n, const LanczosSettings& settings, const Context& context);

}  // namespace landscape::linalg
