// The hot kernels do not allocate once their workspace has its size. Their sources are compiled in here with Eigen's
// allocation guard switched on, and operator new counts what does not go through Eigen.
#include <cstdlib>
#include <new>

namespace {
long violations = 0;  // Eigen heap allocations while they are forbidden
long allocations = 0;
}  // namespace

#define EIGEN_RUNTIME_NO_MALLOC
#undef eigen_assert
#define eigen_assert(condition)     \
  do {                              \
    if (!(condition)) ++violations; \
  } while (false)

#include "../../cpp/src/linalg/products.cpp"
#include "../../cpp/src/linear/deep.cpp"
#include "../../cpp/src/linear/shallow.cpp"
#include "support.hpp"

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size > 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

using namespace landscape;
using support::random_matrix;
using support::threads;

namespace {

template <class Body>
void check_quiet(Body&& body) {
  body();  // sizes the workspace
  const long before = allocations;
  violations = 0;
  Eigen::internal::set_is_malloc_allowed(false);
  body();
  Eigen::internal::set_is_malloc_allowed(true);
  CHECK(violations == 0);
  CHECK(allocations == before);
}

}  // namespace

TEST_CASE("the guard notices an allocation") {
  violations = 0;
  Eigen::internal::set_is_malloc_allowed(false);
  const Matrix heap = Matrix::Zero(300, 300);
  Eigen::internal::set_is_malloc_allowed(true);
  CHECK(heap.size() == 90000);
  CHECK(violations > 0);
  const long before = allocations;
  delete new int(3);
  CHECK(allocations >= before);
}

TEST_CASE("value, gradient, Hessian products and curvatures do not allocate") {
  struct Sizes {
    Index n0, n1, n2, k;
  };
  for (const Sizes& size :
       {Sizes{784, 64, 10, 300}, Sizes{30, 8, 10, 50}, Sizes{300, 200, 150, 90}, Sizes{1, 1, 1, 1}}) {
    const Matrix fx = random_matrix(size.k, size.n0, 1), fy = random_matrix(size.k, size.n2, 2);
    const Matrix xx = fx.transpose() * fx, xy = fx.transpose() * fy;
    const ConstMatrixMap none(nullptr, 0, 0);
    const linear::Risk moments{ConstMatrixMap(xx.data(), size.n0, size.n0), ConstMatrixMap(xy.data(), size.n0, size.n2),
                               none, none, fy.squaredNorm()};
    const linear::Risk data{none, none, ConstMatrixMap(fx.data(), size.k, size.n0),
                            ConstMatrixMap(fy.data(), size.k, size.n2), fy.squaredNorm()};
    for (const linear::Risk& risk : {moments, data}) {
      const Matrix u = random_matrix(size.n2, size.n1, 3), v = random_matrix(size.n0, size.n1, 4);
      Matrix g_u = u, g_v = v;
      linear::Workspace work;
      const linear::Hessian hessian(risk, u, v, threads(1));
      double sum = 0.0;
      check_quiet([&] { sum += linear::value(risk, u, v, work, threads(1)); });
      check_quiet([&] { sum += linear::gradient(risk, u, v, g_u, g_v, work, threads(1)); });
      check_quiet([&] { hessian.apply(u, v, g_u, g_v, work, threads(1)); });
      check_quiet([&] { sum += hessian.curvature(u, v, work, threads(1)); });
      CHECK(sum == sum);
    }
  }
}

TEST_CASE("deep values, gradients and Hessian products do not allocate") {
  for (const linear::Widths& widths : {linear::Widths{300, 40, 30, 10}, linear::Widths{10, 40, 300},
                                       linear::Widths{60, 50, 3, 40, 70}, linear::Widths{1, 1, 1, 1}}) {
    const Index n0 = widths.front(), outputs = widths.back(), rows = 50;
    const Matrix fx = random_matrix(rows, n0, 1), fy = random_matrix(rows, outputs, 2);
    const Matrix xx = fx.transpose() * fx, xy = fx.transpose() * fy;
    const ConstMatrixMap none(nullptr, 0, 0);
    const linear::Risk moments{ConstMatrixMap(xx.data(), n0, n0), ConstMatrixMap(xy.data(), n0, outputs), none, none,
                               fy.squaredNorm()};
    const linear::Risk data{none, none, ConstMatrixMap(fx.data(), rows, n0), ConstMatrixMap(fy.data(), rows, outputs),
                            fy.squaredNorm()};
    const Index size = linear::parameter_count(widths);
    const Matrix point = random_matrix(1, size, 3) / 10.0, direction = random_matrix(1, size, 4);
    Matrix out(1, size);
    const linear::Layers w = linear::unpack(point.data(), widths);
    for (const linear::Risk& risk : {moments, data}) {
      linear::DeepState state, change;
      const linear::DeepHessian hessian(risk, w, threads(1));
      double sum = 0.0;
      check_quiet([&] { sum += linear::value(risk, w, state, threads(1)); });
      check_quiet([&] { sum += linear::gradient(risk, w, out.data(), state, threads(1)); });
      check_quiet([&] { hessian.apply(direction.data(), out.data(), change, threads(1)); });
      CHECK(sum == sum);
    }
  }
}
