// The observed entries of Y (n2 x n0), by rows and by columns: target y_ij and weight c_ij >= 0 of each.
#pragma once

#include <cstdint>
#include <vector>

#include "landscape/linalg/linear_map.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::factorization {

// Rows (or columns) [first, last) whose entries are about equally many in every range; the split depends on the data
// only, so that sums over ranges have the same bits for every number of threads.
struct Range {
  Index first, last;
};

struct Observed {
  Index n2 = 0, n0 = 0;
  // by rows: entry k of row i, row_start[i] <= k < row_start[i + 1], is in column `column[k]`
  std::vector<Index> row_start;
  std::vector<std::int32_t> column;
  Vector y;
  Vector c;  // empty: all ones
  // by columns: entry k of column j is in row `row[k]` and is entry `by_rows[k]` of the order by rows
  std::vector<Index> column_start;
  std::vector<std::int32_t> row;
  std::vector<std::int32_t> by_rows;
  std::vector<Range> row_ranges, column_ranges;

  Index entries() const { return y.size(); }
  double weight(Index k) const { return c.size() > 0 ? c[k] : 1.0; }
  double largest_weight() const;
};

// From triplets sorted by row, then column; `weights` may be empty. Duplicates, indices out of range, weights that are
// negative or not finite, and targets that are not finite are refused.
Observed observe(Index n2, Index n0, const std::int64_t* rows, const std::int64_t* columns, const double* targets,
                 const double* weights, Index entries);

// The sparse matrix with the pattern of `observed` and these values (by rows). Both must outlive the map.
linalg::LinearMap sparse_map(const Observed& observed, const Vector& values);

}  // namespace landscape::factorization
