#include "landscape/factorization/observed.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "kernels.hpp"
#include "landscape/errors.hpp"
#include "landscape/parallel.hpp"

namespace landscape::factorization {

namespace {

// A range has about this many entries, and at most 512 ranges: enough to balance threads, few enough to sum in order.
std::vector<Range> balanced_ranges(const std::vector<Index>& start) {
  const Index count = static_cast<Index>(start.size()) - 1, total = start.back() + count;
  const Index target = std::max<Index>(512, (total + 511) / 512);
  std::vector<Range> ranges;
  Index first = 0;
  for (Index i = 0; i < count; ++i) {
    // an empty row still costs a visit, so it counts as one entry
    const Index load = start[i + 1] - start[first] + (i + 1 - first);
    if (load >= target || i + 1 == count) {
      ranges.push_back({first, i + 1});
      first = i + 1;
    }
  }
  return ranges;
}

// out (count x k) <- A x, where row i of A has the entries start[i] .. start[i + 1] in the columns `index`
template <class Value>
void sparse_product(const std::vector<Range>& ranges, const std::vector<Index>& start,
                    const std::vector<std::int32_t>& index, const ConstMatrixView& x, MatrixView out, Value&& value,
                    const Context& context) {
  const Index width = x.cols();
  if (width == 0) return;
  Matrix copy;
  const double* base = x.data();
  Index stride = x.outerStride();
  const Index full = (width + 3) / 4 * 4;
  if (full != width) {
    copy = Matrix::Zero(x.rows(), full);
    copy.leftCols(width) = x;
    base = copy.data();
    stride = full;
  }
  parallel_for(static_cast<Index>(ranges.size()), kernels::sized(context, start.back() * full), [&](Index range, int) {
    Vector sum(full);
    for (Index i = ranges[range].first; i < ranges[range].last; ++i) {
      sum.setZero();
      kernels::groups(index.data(), start[i], start[i + 1], base, stride,
                      [&](Index k, int live, const double* const* rows) {
                        double alpha[4] = {};
                        for (int q = 0; q < live; ++q) alpha[q] = value(k + q);
                        kernels::add4(alpha, rows, full, sum.data());
                      });
      out.row(i) = sum.head(width).transpose();
    }
  });
}

}  // namespace

double Observed::largest_weight() const { return c.size() > 0 ? c.maxCoeff() : 1.0; }

Observed observe(Index n2, Index n0, const std::int64_t* rows, const std::int64_t* columns, const double* targets,
                 const double* weights, Index entries) {
  constexpr Index limit = std::numeric_limits<std::int32_t>::max();
  require(n2 >= 1 && n0 >= 1, "shape: at least one row and one column expected");
  require(n2 <= limit && n0 <= limit && entries <= limit, "shape: rows, columns and entries must each fit 31 bits");
  Observed o;
  o.n2 = n2;
  o.n0 = n0;
  o.row_start.assign(n2 + 1, 0);
  o.column_start.assign(n0 + 1, 0);
  o.column.resize(entries);
  o.row.resize(entries);
  o.by_rows.resize(entries);
  for (Index k = 0; k < entries; ++k) {
    require(rows[k] >= 0 && rows[k] < n2 && columns[k] >= 0 && columns[k] < n0,
            "entries: index out of range at position " + std::to_string(k));
    if (k > 0) {
      const bool same_row = rows[k] == rows[k - 1];
      require(!same_row || columns[k] != columns[k - 1],
              "entries: duplicate of row " + std::to_string(rows[k]) + ", column " + std::to_string(columns[k]));
      require(rows[k] > rows[k - 1] || (same_row && columns[k] > columns[k - 1]),
              "entries: must be sorted by row, then column");
    }
    require(std::isfinite(targets[k]), "targets: not finite at position " + std::to_string(k));
    if (weights != nullptr)
      require(std::isfinite(weights[k]) && weights[k] >= 0.0,
              "weights: finite and non-negative expected at position " + std::to_string(k));
    o.column[k] = static_cast<std::int32_t>(columns[k]);
    ++o.row_start[rows[k] + 1];
    ++o.column_start[columns[k] + 1];
  }
  for (Index i = 0; i < n2; ++i) o.row_start[i + 1] += o.row_start[i];
  for (Index j = 0; j < n0; ++j) o.column_start[j + 1] += o.column_start[j];
  std::vector<Index> next(o.column_start.begin(), o.column_start.end() - 1);
  for (Index k = 0; k < entries; ++k) {
    const Index slot = next[o.column[k]]++;
    o.row[slot] = static_cast<std::int32_t>(rows[k]);
    o.by_rows[slot] = static_cast<std::int32_t>(k);
  }
  o.y = ConstVectorMap(targets, entries);
  if (weights != nullptr) o.c = ConstVectorMap(weights, entries);
  o.row_ranges = balanced_ranges(o.row_start);
  o.column_ranges = balanced_ranges(o.column_start);
  return o;
}

linalg::LinearMap sparse_map(const Observed& observed, const Vector& values) {
  linalg::LinearMap map;
  map.rows = observed.n2;
  map.cols = observed.n0;
  map.apply = [&observed, &values](const ConstMatrixView& x, MatrixView out, const Context& context) {
    sparse_product(
        observed.row_ranges, observed.row_start, observed.column, x, out, [&](Index k) { return values[k]; }, context);
  };
  map.apply_transposed = [&observed, &values](const ConstMatrixView& x, MatrixView out, const Context& context) {
    sparse_product(
        observed.column_ranges, observed.column_start, observed.row, x, out,
        [&](Index k) { return values[observed.by_rows[k]]; }, context);
  };
  return map;
}

}  // namespace landscape::factorization
