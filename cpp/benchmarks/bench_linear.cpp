// Shallow linear kernels without Python: Hessian products per second, and the share of a plain Eigen product's rate.
#include <benchmark/benchmark.h>

#include "landscape/linear/shallow.hpp"
#include "landscape/random.hpp"

namespace {

using namespace landscape;

Matrix random_matrix(Index rows, Index cols, std::uint64_t seed) {
  const CounterRandom random(seed, 0);
  Matrix result(rows, cols);
  for (Index i = 0; i < result.size(); ++i) result.data()[i] = random.normal(static_cast<std::uint64_t>(i));
  return result;
}

void hessian_product(benchmark::State& state) {
  const Index n0 = state.range(0), n1 = state.range(1), n2 = state.range(2);
  const Matrix xx = random_matrix(n0, n0, 1), xy = random_matrix(n0, n2, 2);
  const ConstMatrixMap none(nullptr, 0, 0);
  const linear::Risk risk{ConstMatrixMap(xx.data(), n0, n0), ConstMatrixMap(xy.data(), n0, n2), none, none, 1.0};
  const Matrix u = random_matrix(n2, n1, 3), v = random_matrix(n0, n1, 4);
  const Context context{static_cast<int>(state.range(3)), nullptr, nullptr};
  const linear::Hessian hessian(risk, u, v, context);
  linear::Workspace work;
  Matrix h_u = u, h_v = v;
  for (auto _ : state) {
    hessian.apply(u, v, h_u, h_v, work, context);
    benchmark::DoNotOptimize(h_v.data());
  }
  const double columns = static_cast<double>(std::min(n1, n2)), pairs = static_cast<double>(n0 * n1 * n2);
  const double flops = 2.0 * (static_cast<double>(n0 * n0) * columns + 6.0 * pairs);
  state.counters["flops"] = benchmark::Counter(flops, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(hessian_product)
    ->Args({784, 64, 10, 1})
    ->Args({784, 64, 10, 2})
    ->Args({30, 8, 10, 1})
    ->Args({784, 16, 784, 1});

void eigen_product(benchmark::State& state) {
  const Index n = state.range(0);
  const Matrix a = random_matrix(n, n, 5), b = random_matrix(n, n, 6);
  Matrix c(n, n);
  for (auto _ : state) {
    c.noalias() = a * b;
    benchmark::DoNotOptimize(c.data());
  }
  state.counters["flops"] =
      benchmark::Counter(2.0 * static_cast<double>(n * n * n), benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(eigen_product)->Arg(512);

}  // namespace
