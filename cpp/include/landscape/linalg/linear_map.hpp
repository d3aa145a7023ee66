// A matrix known by its products: dense, sparse, low-rank, or a sum of these.
#pragma once

#include <functional>

#include "landscape/context.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::linalg {

struct LinearMap {
  using Product = std::function<void(const ConstMatrixView& x, MatrixView out, const Context& context)>;

  Index rows = 0, cols = 0;
  Product apply;             // out (rows x k) <- A x (cols x k)
  Product apply_transposed;  // out (cols x k) <- A^T x (rows x k)
};

}  // namespace landscape::linalg
