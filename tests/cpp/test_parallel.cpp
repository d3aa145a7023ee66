// Threads: every item once, exceptions carried out, monitors heard; random numbers by counter.
#include <new>
#include <vector>

#include "landscape/parallel.hpp"
#include "support.hpp"

using namespace landscape;
using support::threads;

TEST_CASE("every item runs once, whatever the number of threads") {
  for (const int n : {1, 2, 3, 7}) {
    std::vector<int> seen(1000, 0);
    parallel_for(1000, threads(n), [&](Index i, int thread) {
      ++seen[static_cast<std::size_t>(i)];
      if (thread < 0 || thread >= n) seen[0] = 100;
    });
    CHECK(std::count(seen.begin(), seen.end(), 1) == 1000);
  }
}

TEST_CASE("an exception in any thread reaches the caller") {
  for (const int n : {1, 2, 4}) {
    const auto throwing = [](Index i, int) {
      if (i == 77) throw std::bad_alloc();
    };
    CHECK_THROWS_AS(parallel_for(100, threads(n), throwing), std::bad_alloc);
  }
}

TEST_CASE("a monitor that says stop interrupts, polled by the calling thread") {
  for (const int n : {1, 2}) {
    Monitor monitor([] { return true; });
    Context context{n, nullptr, &monitor};
    const auto start = std::chrono::steady_clock::now();
    const auto slow = [](Index, int) {
      const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(2);
      while (std::chrono::steady_clock::now() < until) {
      }
    };
    CHECK_THROWS_AS(parallel_for(100000, context, slow), Interrupted);
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
  }
}

TEST_CASE("counter-based numbers: reproducible, distinct streams, right moments") {
  const CounterRandom a(1, 0), same(1, 0), other_stream(1, 1), other_seed(2, 0);
  CHECK(a.bits(5) == same.bits(5));
  CHECK(a.bits(5) != other_stream.bits(5));
  CHECK(a.bits(5) != other_seed.bits(5));
  double sum = 0.0, squares = 0.0, low = 1.0, high = 0.0;
  constexpr int n = 100000;
  for (int i = 0; i < n; ++i) {
    const double x = a.normal(static_cast<std::uint64_t>(i)), u = a.uniform(static_cast<std::uint64_t>(i));
    sum += x;
    squares += x * x;
    low = std::min(low, u);
    high = std::max(high, u);
  }
  CHECK(std::abs(sum / n) < 5.0 / std::sqrt(n));
  CHECK(std::abs(squares / n - 1.0) < 5.0 * std::sqrt(2.0 / n));
  CHECK((low > 0.0 && low < 1e-3 && high < 1.0 && high > 0.999));
}
