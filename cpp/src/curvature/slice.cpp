#include "landscape/curvature/slice.hpp"

#include "landscape/parallel.hpp"

namespace landscape::curvature {

void evaluate_slice(const ConstMatrixView& coefficients, const ConstVectorMap& s, const ConstVectorMap& t,
                    MatrixView values, const Context& context) {
  constexpr Index tile = 64;
  const Index rows = s.size(), powers = coefficients.cols();
  parallel_for((rows + tile - 1) / tile, context, [&](Index block, int) {
    Vector in_t(powers);
    Eigen::Array<double, 1, Eigen::Dynamic> row(t.size());
    for (Index a = block * tile; a < std::min(rows, (block + 1) * tile); ++a) {
      // Horner in s for every power of t, then Horner in t along the row.
      in_t = coefficients.row(coefficients.rows() - 1).transpose();
      for (Index i = coefficients.rows() - 2; i >= 0; --i) in_t = in_t * s(a) + coefficients.row(i).transpose();
      row.setConstant(in_t(powers - 1));
      for (Index j = powers - 2; j >= 0; --j) row = row * t.transpose().array() + in_t(j);
      values.row(a) = row;
    }
  });
}

}  // namespace landscape::curvature
