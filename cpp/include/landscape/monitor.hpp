// How a long computation is watched: the calling thread polls, every other thread only reads a flag.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>

#include "landscape/errors.hpp"

namespace landscape {

class Monitor {
 public:
  // `poll` returns true when the computation should stop; it is called from the calling thread only.
  explicit Monitor(std::function<bool()> poll) : poll_(std::move(poll)) {}

  // Calls `poll` if 50 ms have passed since the last call. Calling thread only. Throws Interrupted.
  void check() {
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ >= std::chrono::milliseconds(50)) {
      last_ = now;
      if (poll_ && poll_()) stop_.store(true, std::memory_order_relaxed);
    }
    if (stopped()) throw Interrupted();
  }

  bool stopped() const { return stop_.load(std::memory_order_relaxed); }

 private:
  std::function<bool()> poll_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
  std::atomic<bool> stop_{false};
};

}  // namespace landscape
