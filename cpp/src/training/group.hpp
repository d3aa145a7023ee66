// Runs that one thread advances side by side, and what every method does with them.
#pragma once

#include <cmath>
#include <memory>
#include <vector>

#include "landscape/training/train.hpp"

namespace landscape::training {

constexpr double kSufficient = 1e-4;  // Armijo's constant (Nocedal & Wright 2006, 3.4)
constexpr int kHalvings = 60;         // of a step: beyond them it is below the rounding of the point

class Group {
 public:
  Group(const Objective& objective, const Settings& settings, Run* runs, Index count, Objective::Scratch& scratch);

  const Objective& objective() const { return objective_; }
  const Settings& settings() const { return settings_; }
  Objective::Scratch& scratch() const { return scratch_; }
  Index size() const { return size_; }
  Index count() const { return count_; }
  Run& run(Index i) { return runs_[i]; }
  bool running() const;
  // The runs that are still going.
  const std::vector<Index>& open();

  double* gradient(Index i) { return here_[static_cast<std::size_t>(i)]; }
  double* trial(Index i) { return trials_.data() + i * size_; }
  double* trial_gradient(Index i) { return there_[static_cast<std::size_t>(i)]; }
  double trial_value(Index i) const { return trial_values_[static_cast<std::size_t>(i)]; }
  double trial_gradient_norm(Index i) const { return trial_norms_[static_cast<std::size_t>(i)]; }

  double norm(const double* x) const { return ConstVectorMap(x, size_).norm(); }
  double dot(const double* x, const double* y) const { return ConstVectorMap(x, size_).dot(ConstVectorMap(y, size_)); }
  // Whether the trial of a run is no number or far too high.
  bool bad_trial(Index i) const;

  // Values and gradients at the points where the runs are. `first_order`: a small gradient ends a run.
  void begin(bool first_order, const Context& context);
  // Values and gradient norms there, for a record: no run ends, and nothing is counted.
  void measure(const Context& context);
  // The trials of these runs, each counted.
  void evaluate(const std::vector<Index>& which, const Context& context);
  void evaluate(Index i, const Context& context);
  // The run moves to its trial: one step.
  void accept(Index i, bool first_order);
  void test_convergence(Index i);
  bool small_gradient(Index i) const;

 private:
  void compute(const std::vector<Index>& which, bool at_trials, const Context& context);

  const Objective& objective_;
  const Settings& settings_;
  Run* runs_;
  Index count_, size_;
  Objective::Scratch& scratch_;
  std::vector<double> gradients_, trials_, trial_gradients_, trial_values_, trial_norms_, values_;
  std::vector<double*> here_, there_;  // the gradients of every run: they change places when it moves
  std::vector<const double*> points_;
  std::vector<double*> slopes_;
  std::vector<Index> open_, one_;
};

// One step of every run of a group that is still going.
class Stepper {
 public:
  virtual ~Stepper() = default;
  // Whether runs end where the gradient is small, by the tolerance.
  virtual bool first_order() const { return true; }
  // Whether a step has the gradient and the value of the point it leads to; else they are measured for the record.
  virtual bool measures() const { return true; }
  virtual void step(Group& group, const Context& context) = 0;
};

std::unique_ptr<Stepper> make_descent(const Settings& settings);      // fixed, backtracking, exact
std::unique_ptr<Stepper> make_first_order(const Settings& settings);  // the methods with a fixed rate
std::unique_ptr<Stepper> make_perturbed(const Settings& settings);    // perturbed_gd
std::unique_ptr<Stepper> make_lbfgs(const Settings& settings);
std::unique_ptr<Stepper> make_newton_cg(const Settings& settings);
std::unique_ptr<Stepper> make_trust_region(const Settings& settings);

// How many vectors of the size of a point a method with a fixed rate carries.
Index first_order_blocks(const Settings& settings);
// The factor of the step size at a step.
double scheduled(const Settings& settings, std::int64_t step);

}  // namespace landscape::training
