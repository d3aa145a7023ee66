#include "landscape/training/gradient_descent.hpp"

#include <algorithm>
#include <cmath>

#include "landscape/parallel.hpp"

namespace landscape::training {

namespace {

constexpr double kSufficient = 1e-4;  // Armijo's constant (Nocedal & Wright 2006, 3.4)
constexpr double kGrowth = 1.25;
constexpr int kHalvings = 60;  // beyond them the step is below the rounding of the point

// Runs that one thread advances side by side.
class Group {
 public:
  Group(const Objective& objective, const DescentSettings& settings, Run* runs, Index count,
        Objective::Scratch& scratch)
      : objective_(objective), settings_(settings), runs_(runs), count_(count), scratch_(scratch) {
    const auto size = static_cast<std::size_t>(count * objective.size());
    gradients_.resize(size);
    trials_.resize(size);
    trial_gradients_.resize(size);
    trial_values_.resize(static_cast<std::size_t>(count));
  }

  bool running() const {
    return std::any_of(runs_, runs_ + count_, [](const Run& run) { return run.reason == StopReason::running; });
  }

  // Values and gradients at the points where the runs are.
  void begin(const Context& context) {
    std::vector<const double*> points;
    std::vector<double*> slopes;
    for (Index i = 0; i < count_; ++i) {
      points.push_back(runs_[i].point);
      slopes.push_back(gradient(i));
    }
    objective_.gradients(points.data(), count_, trial_values_.data(), slopes.data(), scratch_, context);
    for (Index i = 0; i < count_; ++i) {
      Run& run = runs_[i];
      if (run.reason != StopReason::running) continue;
      run.value = trial_values_[static_cast<std::size_t>(i)];
      run.gradient_norm = norm(gradient(i));
      if (run.steps == 0) run.gradients = 1;
      if (bad(run, run.value, run.gradient_norm))
        run.reason = StopReason::diverged;
      else
        test_convergence(run);
    }
  }

  // One step of every run that is still going.
  void step(const Context& context) {
    const Index size = objective_.size();
    std::vector<Index>& open = open_;
    open.clear();
    for (Index i = 0; i < count_; ++i)
      if (runs_[i].reason == StopReason::running) open.push_back(i);
    for (int halving = 0; !open.empty(); ++halving) {
      points_.clear();
      slopes_.clear();
      for (const Index i : open) {
        const double* x = runs_[i].point;
        const double* g = gradient(i);
        double* y = trials_.data() + i * size;
        for (Index k = 0; k < size; ++k) y[k] = x[k] - runs_[i].step_size * g[k];
        points_.push_back(y);
        slopes_.push_back(trial_gradients_.data() + i * size);
      }
      values_.resize(open.size());
      objective_.gradients(points_.data(), static_cast<Index>(open.size()), values_.data(), slopes_.data(), scratch_,
                           context);
      retry_.clear();
      for (std::size_t k = 0; k < open.size(); ++k) judge(open[k], values_[k], halving);
      open.swap(retry_);
    }
  }

  double* gradient(Index i) { return gradients_.data() + i * objective_.size(); }

 private:
  double norm(const double* x) const { return ConstVectorMap(x, objective_.size()).norm(); }
  static bool bad(const Run& run, double value, double slope) {
    return !std::isfinite(value) || !std::isfinite(slope) || value > run.ceiling;
  }
  void test_convergence(Run& run) const {
    if (run.gradient_norm * std::max(1.0, norm(run.point)) <= settings_.tolerance) run.reason = StopReason::converged;
  }

  // Where the promised decrease drowns in the rounding of the values, the slope along the line tells more: the parabola
  // through its two ends decreases enough (Hager & Zhang 2005, "approximate Wolfe").
  bool approximately_enough(const Run& run, Index i, double value) const {
    if (value > run.value + settings_.rounding) return false;
    const ConstVectorMap here(gradients_.data() + i * objective_.size(), objective_.size());
    const ConstVectorMap there(trial_gradients_.data() + i * objective_.size(), objective_.size());
    return here.dot(there) >= (2.0 * kSufficient - 1.0) * run.gradient_norm * run.gradient_norm;
  }

  void judge(Index i, double value, int halving) {
    Run& run = runs_[i];
    const Index size = objective_.size();
    const double* slope = trial_gradients_.data() + i * size;
    ++run.gradients;
    const double slope_norm = norm(slope);
    if (settings_.backtracking) {
      const double enough = run.value - kSufficient * run.step_size * run.gradient_norm * run.gradient_norm;
      if (bad(run, value, slope_norm) || (value > enough && !approximately_enough(run, i, value))) {
        run.step_size *= 0.5;
        if (halving < kHalvings)
          retry_.push_back(i);
        else
          run.reason = StopReason::stalled;
        return;
      }
    } else if (bad(run, value, slope_norm)) {
      run.reason = StopReason::diverged;  // the last good point stays
      return;
    }
    std::copy_n(trials_.data() + i * size, size, run.point);
    std::copy_n(slope, size, gradient(i));
    run.value = value;
    run.gradient_norm = slope_norm;
    ++run.steps;
    if (settings_.backtracking && halving == 0) run.step_size *= kGrowth;
    test_convergence(run);
  }

  const Objective& objective_;
  const DescentSettings& settings_;
  Run* runs_;
  Index count_;
  Objective::Scratch& scratch_;
  std::vector<double> gradients_, trials_, trial_gradients_, trial_values_, values_;
  std::vector<const double*> points_;
  std::vector<double*> slopes_;
  std::vector<Index> open_, retry_;
};

void record(const Trace& trace, std::size_t column, Index first, const Run* runs, Index count, Index size) {
  const auto columns = static_cast<Index>(trace.steps.size());
  for (Index i = 0; i < count; ++i) {
    const Index at = (first + i) * columns + static_cast<Index>(column);
    trace.values[at] = runs[i].value;
    trace.gradient_norms[at] = runs[i].gradient_norm;
    if (trace.points != nullptr) std::copy_n(runs[i].point, size, trace.points + at * size);
  }
}

}  // namespace

bool gradient_descent(const Objective& objective, const DescentSettings& settings, std::vector<Run>& runs,
                      const Trace& trace, const Context& context) {
  const Index together = objective.together(), total = static_cast<Index>(runs.size());
  const Index groups = (total + together - 1) / together;
  Context outer = context, inner = context;
  inner.monitor = nullptr;
  outer.monitor = nullptr;  // asked between steps, below: an item is a whole run
  if (groups > 1)
    inner.n_threads = 1;
  else
    outer.n_threads = 1;
  std::vector<std::unique_ptr<Objective::Scratch>> scratch(static_cast<std::size_t>(std::max(1, context.n_threads)));
  std::atomic<bool> interrupted{false};
  const auto stop_asked = [&](int thread) {
    if (context.monitor == nullptr) return false;
    if (thread == 0) {
      try {
        context.monitor->check();
      } catch (const Interrupted&) {
        interrupted.store(true, std::memory_order_relaxed);
      }
    }
    return interrupted.load(std::memory_order_relaxed);
  };

  parallel_for(groups, outer, [&](Index item, int thread) {
    auto& own = scratch[static_cast<std::size_t>(thread)];
    if (!own) own = objective.scratch();
    const Index first = item * together, count = std::min(together, total - first);
    Run* const mine = runs.data() + first;
    Group group(objective, settings, mine, count, *own);
    if (stop_asked(thread)) return;
    group.begin(inner);
    std::size_t column = 0;
    std::int64_t step = mine[0].steps;
    for (Index i = 0; i < count; ++i)
      if (mine[i].reason == StopReason::running) step = mine[i].steps;  // all that are running have come equally far
    const auto keep = [&](std::int64_t until) {
      while (column < trace.steps.size() && trace.steps[column] <= until)
        record(trace, column++, first, mine, count, objective.size());
    };
    keep(step);
    while (step < settings.last_step && group.running() && !stop_asked(thread)) {
      group.step(inner);
      keep(++step);
    }
    if (!interrupted.load(std::memory_order_relaxed)) keep(settings.last_step);
  });
  return interrupted.load();
}

}  // namespace landscape::training
