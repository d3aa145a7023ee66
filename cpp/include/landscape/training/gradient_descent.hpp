// Gradient descent from many starts at once: each start has its own step size, its own end and its own reason for it.
//
//   x <- x - t g      t fixed, or by backtracking: halved until R(x - t g) <= R(x) - 1e-4 t |g|^2 (Armijo), and 1.25
//   times
//                     as large after a step that was accepted at once
#pragma once

#include <cstdint>
#include <vector>

#include "landscape/training/objective.hpp"

namespace landscape::training {

enum class StopReason : std::int8_t { running = 0, converged, max_steps, diverged, stalled, interrupted };

struct DescentSettings {
  bool backtracking = true;
  double tolerance = 0.0;  // stop at |g| max(1, |x|) <= tolerance
  double rounding = 0.0;   // differences of values below it mean nothing
  Index last_step = 0;     // of this call; the runs go on from where they are
};

// The state of one start between calls. A call goes on exactly where the last one stopped, bit by bit.
struct Run {
  double* point = nullptr;  // packed, in and out
  double step_size = 0.0;
  std::int64_t steps = 0;
  std::int64_t gradients = 0;
  double value = 0.0;
  double gradient_norm = 0.0;
  double ceiling = 0.0;  // values above it count as diverged
  StopReason reason = StopReason::running;
};

// What is kept on the way, at ascending step numbers within the call; a run that has ended repeats its last row.
struct Trace {
  std::vector<std::int64_t> steps;
  double* values = nullptr;          // runs x steps
  double* gradient_norms = nullptr;  // runs x steps
  double* points = nullptr;          // runs x steps x N, or null
};

// Advances every run that is still going to `settings.last_step`. If the monitor asks to stop, each keeps the last step
// it completed; returns whether that happened.
bool gradient_descent(const Objective& objective, const DescentSettings& settings, std::vector<Run>& runs,
                      const Trace& trace, const Context& context);

}  // namespace landscape::training
