#include "group.hpp"

#include <algorithm>
#include <numeric>

#include "landscape/errors.hpp"

namespace landscape::training {

double Objective::estimate(const double*, const Index*, Index, double*, Scratch&, const Context&) const {
  require(false, "this objective is no sum of terms to draw from");
  return 0.0;
}

Group::Group(const Objective& objective, const Settings& settings, Run* runs, Index count, Objective::Scratch& scratch)
    : objective_(objective),
      settings_(settings),
      runs_(runs),
      count_(count),
      size_(objective.size()),
      scratch_(scratch) {
  const auto size = static_cast<std::size_t>(count * size_);
  gradients_.resize(size);
  trials_.resize(size);
  trial_gradients_.resize(size);
  trial_values_.resize(static_cast<std::size_t>(count));
  trial_norms_.resize(static_cast<std::size_t>(count));
  for (Index i = 0; i < count; ++i) {
    here_.push_back(gradients_.data() + i * size_);
    there_.push_back(trial_gradients_.data() + i * size_);
  }
}

bool Group::running() const {
  return std::any_of(runs_, runs_ + count_, [](const Run& run) { return run.reason == StopReason::running; });
}

const std::vector<Index>& Group::open() {
  open_.clear();
  for (Index i = 0; i < count_; ++i)
    if (runs_[i].reason == StopReason::running) open_.push_back(i);
  return open_;
}

bool Group::bad_trial(Index i) const {
  const double value = trial_value(i), slope = trial_gradient_norm(i);
  return !std::isfinite(value) || !std::isfinite(slope) || value > runs_[i].ceiling;
}

void Group::compute(const std::vector<Index>& which, bool at_trials, const Context& context) {
  points_.clear();
  slopes_.clear();
  for (const Index i : which) {
    points_.push_back(at_trials ? trial(i) : runs_[i].point);
    slopes_.push_back(trial_gradient(i));
  }
  values_.resize(which.size());
  const Index together = objective_.together();
  for (std::size_t first = 0; first < which.size(); first += static_cast<std::size_t>(together)) {
    const Index count = std::min(together, static_cast<Index>(which.size() - first));
    objective_.gradients(points_.data() + first, count, values_.data() + first, slopes_.data() + first, scratch_,
                         context);
  }
  for (std::size_t k = 0; k < which.size(); ++k) {
    trial_values_[static_cast<std::size_t>(which[k])] = values_[k];
    trial_norms_[static_cast<std::size_t>(which[k])] = norm(trial_gradient(which[k]));
  }
}

void Group::begin(bool first_order, const Context& context) {
  compute(open(), false, context);
  for (const Index i : open_) {
    Run& run = runs_[i];
    std::swap(here_[static_cast<std::size_t>(i)], there_[static_cast<std::size_t>(i)]);
    run.value = trial_value(i);
    run.gradient_norm = trial_gradient_norm(i);
    if (run.steps == 0 && run.gradients == 0) run.gradients = 1;
    if (bad_trial(i))
      run.reason = StopReason::diverged;
    else if (first_order)
      test_convergence(i);
  }
}

void Group::measure(const Context& context) {
  std::vector<Index> all(static_cast<std::size_t>(count_));
  std::iota(all.begin(), all.end(), Index{0});
  compute(all, false, context);
  for (const Index i : all) {
    runs_[i].value = trial_value(i);
    runs_[i].gradient_norm = trial_gradient_norm(i);
  }
}

void Group::evaluate(const std::vector<Index>& which, const Context& context) {
  compute(which, true, context);
  for (const Index i : which) ++runs_[i].gradients;
}

void Group::evaluate(Index i, const Context& context) {
  one_.assign(1, i);
  evaluate(one_, context);
}

bool Group::small_gradient(Index i) const {
  const Run& run = runs_[i];
  return run.gradient_norm <= settings_.tolerance &&
         run.gradient_norm * std::max(1.0, norm(run.point)) <= settings_.tolerance;
}

void Group::test_convergence(Index i) {
  if (small_gradient(i)) runs_[i].reason = StopReason::converged;
}

void Group::accept(Index i, bool first_order) {
  Run& run = runs_[i];
  std::copy_n(trial(i), size_, run.point);
  std::swap(here_[static_cast<std::size_t>(i)], there_[static_cast<std::size_t>(i)]);
  run.value = trial_value(i);
  run.gradient_norm = trial_gradient_norm(i);
  ++run.steps;
  if (first_order) test_convergence(i);
}

double scheduled(const Settings& settings, std::int64_t step) {
  double factor = 1.0;
  if (settings.schedule == Schedule::cosine) {
    const double part = std::min(1.0, static_cast<double>(step) / static_cast<double>(settings.horizon));
    factor = 0.5 * (1.0 + std::cos(3.14159265358979323846 * part));
  } else if (settings.schedule == Schedule::step) {
    factor = std::pow(settings.decay, static_cast<double>(step / settings.every));
  }
  if (step < settings.warmup) factor *= static_cast<double>(step + 1) / static_cast<double>(settings.warmup);
  return factor;
}

}  // namespace landscape::training
