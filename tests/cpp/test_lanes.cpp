// Small matrices side by side in the lanes of a vector register, against the same products one by one.
#include "landscape/linalg/lanes.hpp"

#include <cmath>
#include <vector>

#include "landscape/linear/deep.hpp"
#include "landscape/random.hpp"
#include "support.hpp"

namespace linalg = landscape::linalg;
namespace linear = landscape::linear;
using landscape::Index;
using landscape::Matrix;

namespace {

constexpr Index kLanes = linalg::kLanes;

Matrix draw(Index rows, Index cols, std::uint64_t stream) {
  const landscape::CounterRandom random(7, stream);
  Matrix result(rows, cols);
  for (Index i = 0; i < result.size(); ++i) result.data()[i] = random.normal(static_cast<std::uint64_t>(i));
  return result;
}

Matrix lane(const Matrix& a, Index l) {
  Matrix result(a.rows(), a.cols() / kLanes);
  for (Index i = 0; i < result.rows(); ++i)
    for (Index j = 0; j < result.cols(); ++j) result(i, j) = a(i, j * kLanes + l);
  return result;
}

}  // namespace

TEST_CASE("products in lanes are the products of each lane") {
  for (const Index m : {1, 2, 3, 4, 7})
    for (const Index n : {1, 2, 3, 4, 5, 10})
      for (const Index k : {0, 1, 6}) {
        const Matrix a = draw(m, k * kLanes, 1), b = draw(k, n * kLanes, 2), at = draw(k, m * kLanes, 3),
                     bt = draw(n, k * kLanes, 4), shared = draw(m, k, 5), shared_t = draw(k, m, 6),
                     behind = draw(k, n, 7);
        Matrix plain(m, n * kLanes), left(m, n * kLanes), right(m, n * kLanes), one(m, n * kLanes), two(m, n * kLanes),
            three(m, n * kLanes), four(m, n * kLanes), five(m, n * kLanes);
        linalg::multiply_lanes(a, b, plain);
        linalg::multiply_lanes_transposed(at, b, left);
        linalg::multiply_lanes_by_transposed(a, bt, right);
        linalg::shared_times_lanes(shared, b, one);
        linalg::shared_transposed_times_lanes(shared_t, b, two);
        linalg::shared_times_lanes_transposed(shared, bt, three);
        linalg::lanes_times_shared(a, behind, four);
        linalg::lanes_transposed_times_shared(at, behind, five);
        for (Index l = 0; l < kLanes; ++l) {
          CHECK((lane(plain, l) - lane(a, l) * lane(b, l)).norm() <= 1e-13);
          CHECK((lane(left, l) - lane(at, l).transpose() * lane(b, l)).norm() <= 1e-13);
          CHECK((lane(right, l) - lane(a, l) * lane(bt, l).transpose()).norm() <= 1e-13);
          CHECK((lane(one, l) - shared * lane(b, l)).norm() <= 1e-13);
          CHECK((lane(two, l) - shared_t.transpose() * lane(b, l)).norm() <= 1e-13);
          CHECK((lane(three, l) - shared * lane(bt, l).transpose()).norm() <= 1e-13);
          CHECK((lane(four, l) - lane(a, l) * behind).norm() <= 1e-13);
          CHECK((lane(five, l) - lane(at, l).transpose() * behind).norm() <= 1e-13);
        }
      }
}

TEST_CASE("interleaving and separating are inverse to each other, for fewer arrays than lanes too") {
  for (const Index size : {0, 1, 3, 4, 9}) {
    const Matrix rows = draw(kLanes, std::max<Index>(size, 1), 8);
    std::vector<const double*> sources;
    for (Index l = 0; l < kLanes; ++l) sources.push_back(rows.row(l).data());
    std::vector<double> together(static_cast<std::size_t>(size * kLanes));
    linalg::interleave(sources.data(), size, together.data());
    for (Index count = 1; count <= kLanes; ++count) {
      Matrix back = Matrix::Zero(kLanes, std::max<Index>(size, 1));
      std::vector<double*> targets;
      for (Index l = 0; l < count; ++l) targets.push_back(back.row(l).data());
      linalg::separate(together.data(), size, targets.data(), count);
      CHECK(back.topLeftCorner(count, size) == rows.topLeftCorner(count, size));
      CHECK(back.bottomRows(kLanes - count).isZero(0.0));
    }
  }
}

TEST_CASE("networks in lanes have the values and gradients of each network, whichever layer is the pivot") {
  const linear::Widths cases[] = {{6, 4, 3, 2}, {2, 4, 3, 6}, {6, 1, 5}, {5, 5, 2, 5, 5}, {1, 1, 1}, {3, 7, 3}};
  for (const linear::Widths& widths : cases)
    for (const bool data : {false, true}) {
      const Index n0 = widths.front(), outputs = widths.back();
      const Matrix x = draw(8, n0, 20), y = draw(8, outputs, 21);
      const Matrix xx = x.transpose() * x, xy = x.transpose() * y;
      linear::Risk risk;
      risk.total = y.squaredNorm();
      if (data) {
        new (&risk.fx) landscape::ConstMatrixMap(x.data(), 8, n0);
        new (&risk.fy) landscape::ConstMatrixMap(y.data(), 8, outputs);
      } else {
        new (&risk.xx) landscape::ConstMatrixMap(xx.data(), n0, n0);
        new (&risk.xy) landscape::ConstMatrixMap(xy.data(), n0, outputs);
      }
      const Index size = linear::parameter_count(widths), count = std::max<Index>(1, kLanes - 1);
      const Matrix points = draw(count, size, 22);
      Matrix slopes(count, size), expected(1, size);
      std::vector<double> values(static_cast<std::size_t>(count));
      std::vector<linear::Layers> layers;
      std::vector<double*> g;
      for (Index i = 0; i < count; ++i) {
        layers.push_back(linear::unpack(points.row(i).data(), widths));
        g.push_back(slopes.row(i).data());
      }
      linear::LaneState lanes;
      linear::gradients_in_lanes(risk, layers.data(), count, values.data(), g.data(), lanes, {});
      linear::DeepState state;
      for (Index i = 0; i < count; ++i) {
        const double value = linear::gradient(risk, layers[static_cast<std::size_t>(i)], expected.data(), state, {});
        CHECK(values[static_cast<std::size_t>(i)] == doctest::Approx(value).epsilon(1e-11));
        CHECK((slopes.row(i) - expected).norm() <= 1e-11 * (1.0 + expected.norm()));
      }
    }
}
