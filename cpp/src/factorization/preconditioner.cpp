#include "preconditioner.hpp"

#include "kernels.hpp"
#include "landscape/parallel.hpp"

namespace landscape::factorization {

namespace {

// diag C from the rows [first, first + count) of w
Eigen::RowVectorXd average_square(const Matrix& w, Index first, Index count, const Vector& mass) {
  Eigen::RowVectorXd sum = Eigen::RowVectorXd::Zero(w.cols());
  for (Index i = first; i < first + count; ++i) sum += mass[i] * w.row(i).cwiseAbs2();
  const double total = mass.segment(first, count).sum();
  if (total > 0.0) sum /= total;
  return sum;
}

}  // namespace

void DiagonalPreconditioner::set(const Objective& objective, const Matrix& w, const Vector& second,
                                 const Context& context) {
  const Observed& o = objective.observed();
  const Context sums = kernels::sized(context, o.entries());
  mass_.resize(o.n2 + o.n0);
  parallel_for(static_cast<Index>(o.row_ranges.size()), sums, [&](Index range, int) {
    for (Index i = o.row_ranges[range].first; i < o.row_ranges[range].last; ++i) {
      double sum = 0.0;
      for (Index k = o.row_start[i]; k < o.row_start[i + 1]; ++k) sum += second[k];
      mass_[i] = sum;
    }
  });
  parallel_for(static_cast<Index>(o.column_ranges.size()), sums, [&](Index range, int) {
    for (Index j = o.column_ranges[range].first; j < o.column_ranges[range].last; ++j) {
      double sum = 0.0;
      for (Index k = o.column_start[j]; k < o.column_start[j + 1]; ++k) sum += second[o.by_rows[k]];
      mass_[o.n2 + j] = sum;
    }
  });
  // rows of U see the average over V, and the other way round
  const Eigen::RowVectorXd for_u = average_square(w, o.n2, o.n0, mass_), for_v = average_square(w, 0, o.n2, mass_);
  inverse_.resize(w.rows(), w.cols());
  constexpr Index block = 128;
  parallel_for((w.rows() + block - 1) / block, kernels::sized(context, 4 * w.size()), [&](Index s, int) {
    for (Index i = s * block; i < std::min(w.rows(), (s + 1) * block); ++i)
      inverse_.row(i) = (mass_[i] * (i < o.n2 ? for_u : for_v).array() + objective.lam()).inverse();
  });
}

}  // namespace landscape::factorization
