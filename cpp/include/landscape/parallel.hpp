// parallel_for: independent items over OpenMP threads, exceptions carried out of the region, never nested.
#pragma once

#include <algorithm>
#include <exception>

#include "landscape/context.hpp"
#include "landscape/typedefs.hpp"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace landscape {

inline int max_threads() {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}

// body(i, thread) for i = 0..n-1, thread < max(1, n_threads). Which thread takes an item never changes what the item
// computes, so results have the same bits for every thread count. Thread 0 is the caller and polls the monitor.
template <class Body>
void parallel_for(Index n, const Context& context, Body&& body) {
#ifdef _OPENMP
  const int threads = static_cast<int>(std::min<Index>(std::max(1, context.n_threads), n));
  if (threads > 1 && !omp_in_parallel()) {
    std::exception_ptr error;
    std::atomic<bool> failed{false};
#pragma omp parallel num_threads(threads)
    {
      const int thread = omp_get_thread_num();
#pragma omp for schedule(static)
      for (Index i = 0; i < n; ++i) {
        if (failed.load(std::memory_order_relaxed)) continue;
        try {
          if (thread == 0) context.check();
          body(i, thread);
        } catch (...) {
          if (!failed.exchange(true)) error = std::current_exception();
        }
      }
    }
    if (error) std::rethrow_exception(error);
    return;
  }
#endif
  for (Index i = 0; i < n; ++i) {
    context.check();
    body(i, 0);
  }
}

}  // namespace landscape
