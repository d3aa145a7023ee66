// What a kernel may use besides its operands: threads, an optional BLAS/LAPACK, an optional Monitor.
#pragma once

#include "landscape/linalg/blas.hpp"
#include "landscape/monitor.hpp"

namespace landscape {

struct Context {
  int n_threads = 1;           // OpenMP threads of one region; 1 = serial, and then Eigen does every product
  const Blas* blas = nullptr;  // used outside OpenMP regions only, and only if n_threads > 1
  Monitor* monitor = nullptr;  // polled between chunks

  const Blas* library() const { return n_threads > 1 ? blas : nullptr; }
  void check() const {
    if (monitor != nullptr) monitor->check();
  }
};

}  // namespace landscape
