// Training from many starts at once: each start has its own state, its own end and its own reason for it.
//
// With g the gradient at x and t the step size times the schedule:
//
//   gradient_descent  x <- x - t g; t fixed, by Armijo's rule, or the lowest point of the line (polynomials)
//   momentum          v <- mu v + g, x <- x - t v                            Polyak 1964
//   nesterov          v <- mu v - t g(x + mu v), x <- x + v                  Nesterov 1983, Sutskever et al. 2013
//   adagrad           s <- s + g^2, x <- x - t g / (sqrt s + eps)            Duchi, Hazan & Singer 2011
//   adam              algorithm 1                                            Kingma & Ba 2015
//   lbfgs             algorithms 7.4, 3.5, 3.6 (strong Wolfe conditions)     Nocedal & Wright 2006
//   noisy_gd          x <- x - t (g + sigma xi), xi uniform on the sphere    Ge et al. 2015
//   perturbed_gd      a step into a ball where the gradient is small         Jin et al. 2017, algorithm 2
//   newton_cg         conjugate gradients, or the negative curvature that    Royer, O'Neill & Wright 2020
//                     they meet; the leftmost eigenvector where g vanishes
//   trust_region      the model's minimum in a Krylov space, likewise        Gould, Lucidi, Roma & Toint 1999
#pragma once

#include <cstdint>
#include <vector>

#include "landscape/training/objective.hpp"

namespace landscape::training {

enum class StopReason : std::int8_t { running = 0, converged, max_steps, diverged, stalled, interrupted };

enum class Method : std::int8_t {
  gradient_descent = 0,
  momentum,
  nesterov,
  adagrad,
  adam,
  lbfgs,
  noisy_gd,
  perturbed_gd,
  newton_cg,
  trust_region
};

enum class StepRule : std::int8_t { fixed = 0, backtracking, exact };

enum class Schedule : std::int8_t { constant = 0, cosine, step };

struct Settings {
  Method method = Method::gradient_descent;
  StepRule rule = StepRule::backtracking;  // of gradient_descent
  double momentum = 0.9;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;  // of adam; epsilon of adagrad
  Index memory = 10;                                  // pairs that lbfgs keeps
  double noise = 1.0;                                 // sigma
  double radius = 1e-3;                               // of the ball of perturbed_gd; the first one of trust_region
  double threshold = 0.0;                             // perturbed_gd: |g| at or below it is small
  std::int64_t wait = 100;                            // perturbed_gd: steps until a perturbation must have paid
  double drop = 0.0;                                  // perturbed_gd: by how much
  Index krylov = 50;        // the largest subspace of trust_region, and the most iterations of conjugate gradients
  double curvature = 1e-6;  // of the Hessian's norm: eigenvalues above minus this count as none below zero

  Schedule schedule = Schedule::constant;
  std::int64_t horizon = 0;  // cosine: the step at which the rate is zero
  std::int64_t every = 1;    // step: the rate is `decay` times as large after so many steps
  double decay = 1.0;
  std::int64_t warmup = 0;  // steps in which the rate rises linearly

  Index batch = 0;  // terms of a minibatch; 0: all
  std::uint64_t seed = 0;

  bool alone = false;      // every run on its own: they may have come differently far
  double tolerance = 0.0;  // stop at |g| max(1, |x|) <= tolerance
  double rounding = 0.0;   // differences of values below it mean nothing
  Index last_step = 0;     // of this call; the runs go on from where they are
};

// The state of one start between calls. A call goes on exactly where the last one stopped, bit by bit.
struct Run {
  double* point = nullptr;  // packed, in and out
  double* state = nullptr;  // state_size() numbers, zero at first
  double step_size = 0.0;
  std::int64_t steps = 0;
  std::int64_t gradients = 0;  // those the method used; values measured for a record do not count
  std::int64_t products = 0;   // of the Hessian with a vector
  std::uint64_t key = 0;       // what is random is drawn from (seed, key, step)
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

// What a method carries from step to step, in numbers per run.
Index state_size(const Settings& settings, Index parameters);

// Advances every run that is still going to `settings.last_step`. If the monitor asks to stop, each keeps the last step
// it completed; returns whether that happened.
bool train(const Objective& objective, const Settings& settings, std::vector<Run>& runs, const Trace& trace,
           const Context& context);

}  // namespace landscape::training
