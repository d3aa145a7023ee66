#include "landscape/training/train.hpp"

#include <algorithm>
#include <atomic>

#include "group.hpp"
#include "landscape/parallel.hpp"

namespace landscape::training {

namespace {

std::unique_ptr<Stepper> make_stepper(const Settings& settings) {
  switch (settings.method) {
    case Method::gradient_descent:
      if (settings.rule != StepRule::fixed) return make_descent(settings);
      return make_first_order(settings);
    case Method::lbfgs:
      return make_lbfgs(settings);
    case Method::perturbed_gd:
      return make_perturbed(settings);
    case Method::newton_cg:
      return make_newton_cg(settings);
    case Method::trust_region:
      return make_trust_region(settings);
    default:
      return make_first_order(settings);
  }
}

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

Index state_size(const Settings& settings, Index parameters) {
  switch (settings.method) {
    case Method::lbfgs:
      return 2 + settings.memory * (2 * parameters + 1);
    case Method::perturbed_gd:
      return 2 + parameters;
    default:
      return first_order_blocks(settings) * parameters;
  }
}

bool train(const Objective& objective, const Settings& settings, std::vector<Run>& runs, const Trace& trace,
           const Context& context) {
  const Index together = settings.alone ? 1 : objective.together(), total = static_cast<Index>(runs.size());
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
    const std::unique_ptr<Stepper> stepper = make_stepper(settings);
    if (stop_asked(thread)) return;
    if (stepper->measures())
      group.begin(stepper->first_order(), inner);
    else
      group.measure(inner);
    std::size_t column = 0;
    std::int64_t step = mine[0].steps;
    for (Index i = 0; i < count; ++i)
      if (mine[i].reason == StopReason::running) step = mine[i].steps;  // all that are running have come equally far
    const auto keep = [&](std::int64_t until) {
      while (column < trace.steps.size() && trace.steps[column] <= until)
        record(trace, column++, first, mine, count, objective.size());
    };
    // Records before the step where a run stands are those of an earlier call.
    if (group.running())
      while (column < trace.steps.size() && trace.steps[column] < step) ++column;
    keep(step);
    while (step < settings.last_step && group.running() && !stop_asked(thread)) {
      stepper->step(group, inner);
      ++step;
      const bool recorded = column < trace.steps.size() && trace.steps[column] <= step;
      if (recorded && !stepper->measures()) group.measure(inner);
      keep(step);
    }
    if (!stepper->measures()) group.measure(inner);
    if (!interrupted.load(std::memory_order_relaxed)) keep(settings.last_step);
  });
  return interrupted.load();
}

}  // namespace landscape::training
