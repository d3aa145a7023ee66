#include <pybind11/stl.h>

#include <memory>
#include <optional>

#include "common.hpp"
#include "hessian_object.hpp"
#include "landscape/linear/objectives.hpp"
#include "landscape/training/gradient_descent.hpp"

namespace landscape::bindings {

namespace {

using training::Objective;
using training::Run;
using training::StopReason;

// An objective together with the data it reads.
struct ObjectiveObject {
  std::shared_ptr<RiskObject> data;
  std::unique_ptr<Objective> objective;
};

using Integers = py::array_t<std::int64_t, py::array::c_style>;

void require_rows(const py::array& array, Index rows, const char* name) {
  require_shape(array.ndim() == 1 && array.shape(0) == rows, name, "one number per start");
}

// Advances the states in place (points (B, N), the rest (B,)); returns whether it was interrupted.
bool advance(const ObjectiveObject& object, Array points, Array step_sizes, Integers steps, Integers gradients,
             Array values, Array gradient_norms, Array ceilings, Integers reasons, bool backtracking, double tolerance,
             double rounding, std::int64_t last_step, const std::vector<std::int64_t>& trace_steps, Array trace_values,
             Array trace_norms, std::optional<Array> trace_points, int n_threads) {
  const Index count = points.shape(0), size = object.objective->size();
  const auto columns = static_cast<Index>(trace_steps.size());
  require_shape(points.ndim() == 2 && points.shape(1) == size, "points", "packed points (B, N)");
  require_rows(step_sizes, count, "step_sizes");
  require_rows(steps, count, "steps");
  require_rows(gradients, count, "gradients");
  require_rows(values, count, "values");
  require_rows(gradient_norms, count, "gradient_norms");
  require_rows(ceilings, count, "ceilings");
  require_rows(reasons, count, "reasons");
  require_shape(trace_values.size() == count * columns && trace_norms.size() == count * columns, "traces", "(B, T)");
  require_shape(!trace_points || trace_points->size() == count * columns * size, "trace_points", "(B, T, N)");

  std::vector<Run> runs(static_cast<std::size_t>(count));
  for (Index i = 0; i < count; ++i) {
    Run& run = runs[static_cast<std::size_t>(i)];
    run.point = points.mutable_data() + i * size;
    run.step_size = step_sizes.at(i);
    run.steps = steps.at(i);
    run.gradients = gradients.at(i);
    run.value = values.at(i);
    run.gradient_norm = gradient_norms.at(i);
    run.ceiling = ceilings.at(i);
    run.reason = static_cast<StopReason>(reasons.at(i));
  }
  const training::DescentSettings settings{backtracking, tolerance, rounding, last_step};
  const training::Trace trace{trace_steps, trace_values.mutable_data(), trace_norms.mutable_data(),
                              trace_points ? trace_points->mutable_data() : nullptr};
  const bool interrupted = without_gil(n_threads, [&](const Context& context) {
    return training::gradient_descent(*object.objective, settings, runs, trace, context);
  });
  if (interrupted) forget_interrupt();
  for (Index i = 0; i < count; ++i) {
    const Run& run = runs[static_cast<std::size_t>(i)];
    step_sizes.mutable_at(i) = run.step_size;
    steps.mutable_at(i) = run.steps;
    gradients.mutable_at(i) = run.gradients;
    values.mutable_at(i) = run.value;
    gradient_norms.mutable_at(i) = run.gradient_norm;
    reasons.mutable_at(i) = static_cast<std::int64_t>(run.reason);
  }
  return interrupted;
}

}  // namespace

void register_training(py::module_& module) {
  py::class_<ObjectiveObject>(module, "Objective", "A landscape as training sees it.");
  module.def(
      "shallow_objective",
      [](std::shared_ptr<RiskObject> risk, Index hidden) {
        auto objective = std::make_unique<linear::ShallowObjective>(risk->risk, hidden);
        return std::make_unique<ObjectiveObject>(ObjectiveObject{std::move(risk), std::move(objective)});
      },
      py::arg("risk"), py::arg("hidden"), "Points (U, V), packed.");
  module.def(
      "deep_objective",
      [](std::shared_ptr<RiskObject> risk, std::vector<Index> widths) {
        auto objective = std::make_unique<linear::DeepObjective>(risk->risk, std::move(widths));
        return std::make_unique<ObjectiveObject>(ObjectiveObject{std::move(risk), std::move(objective)});
      },
      py::arg("risk"), py::arg("widths"), "Points (W1, ..., WL), packed; widths are n_0, ..., n_L.");
  module.def("gradient_descent", &advance, py::arg("objective"), py::arg("points").noconvert(),
             py::arg("step_sizes").noconvert(), py::arg("steps").noconvert(), py::arg("gradients").noconvert(),
             py::arg("values").noconvert(), py::arg("gradient_norms").noconvert(), py::arg("ceilings").noconvert(),
             py::arg("reasons").noconvert(), py::arg("backtracking"), py::arg("tolerance"), py::arg("rounding"),
             py::arg("last_step"), py::arg("trace_steps"), py::arg("trace_values").noconvert(),
             py::arg("trace_norms").noconvert(), py::arg("trace_points").noconvert(), py::arg("n_threads"),
             "Advances the states in place; returns whether Ctrl-C ended it.");
}

}  // namespace landscape::bindings
