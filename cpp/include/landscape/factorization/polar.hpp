// The polar of the nuclear norm at the residual of a factorisation: its largest singular value, from both sides.
#pragma once

#include <cstdint>

#include "landscape/factorization/solve.hpp"

namespace landscape::factorization {

// Bounds by linalg::largest_singular_value, as tight as the solver asks; `failure` is for the probabilistic ones. Only
// these use `blas` (may be null): the solver's own steps then have the same bits for every number of threads.
Polar residual_polar(double failure, const Blas* blas = nullptr, std::uint64_t seed = 0);

}  // namespace landscape::factorization
