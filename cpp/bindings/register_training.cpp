#include <pybind11/stl.h>

#include <memory>
#include <optional>

#include "common.hpp"
#include "hessian_object.hpp"
#include "landscape/linear/objectives.hpp"
#include "landscape/training/gradient_norm.hpp"
#include "landscape/training/train.hpp"
#include "objective_object.hpp"

namespace landscape::bindings {

namespace training_bindings {

using training::Objective;
using training::Run;
using training::Settings;
using training::StopReason;

using Integers = py::array_t<std::int64_t, py::array::c_style>;

// What a linear objective reads: the moments, and the rows of minibatches where there are any.
struct LinearData {
  std::shared_ptr<RiskObject> risk;
  std::optional<Array> x, y;

  linear::Rows rows() const {
    if (!x || !y) return {};
    const linear::Rows views{matrix(*x, "x"), matrix(*y, "y")};
    require_shape(views.x.rows() == views.y.rows() && views.x.cols() == risk->risk.inputs() &&
                      views.y.cols() == risk->risk.outputs(),
                  "x, y", "(m, n0) and (m, n2)");
    return views;
  }
};

template <class Make>
std::shared_ptr<ObjectiveObject> linear_objective(std::shared_ptr<RiskObject> risk, std::optional<Array> x,
                                                  std::optional<Array> y, Make&& make) {
  auto data = std::make_shared<LinearData>(LinearData{std::move(risk), std::move(x), std::move(y)});
  std::unique_ptr<Objective> objective = make(data->risk->risk, data->rows());
  return std::make_shared<ObjectiveObject>(ObjectiveObject{std::move(data), std::move(objective)});
}

void require_rows(const py::array& array, Index rows, const char* name) {
  require_shape(array.ndim() == 1 && array.shape(0) == rows, name, "one number per start");
}

// The state of a batch of runs, arrays that a call changes in place.
struct RunArrays {
  Array points, state, step_sizes;
  Integers steps, gradients, products, keys;
  Array values, gradient_norms, ceilings;
  Integers reasons;

  std::vector<Run> runs(Index size, Index carried) {
    const Index count = points.ndim() == 2 ? points.shape(0) : 0;
    require_shape(points.ndim() == 2 && points.shape(1) == size, "points", "packed points (B, N)");
    require_shape(state.ndim() == 2 && state.shape(0) == count && state.shape(1) == carried, "state",
                  "what the method carries (B, S)");
    for (const auto* floats : {&step_sizes, &values, &gradient_norms, &ceilings}) require_rows(*floats, count, "state");
    for (const auto* integers : {&steps, &gradients, &products, &keys, &reasons})
      require_rows(*integers, count, "counts");
    std::vector<Run> all(static_cast<std::size_t>(count));
    for (Index i = 0; i < count; ++i) {
      Run& run = all[static_cast<std::size_t>(i)];
      run.point = points.mutable_data() + i * size;
      run.state = state.mutable_data() + i * carried;
      run.step_size = step_sizes.at(i);
      run.steps = steps.at(i);
      run.gradients = gradients.at(i);
      run.products = products.at(i);
      run.key = static_cast<std::uint64_t>(keys.at(i));
      run.value = values.at(i);
      run.gradient_norm = gradient_norms.at(i);
      run.ceiling = ceilings.at(i);
      run.reason = static_cast<StopReason>(reasons.at(i));
    }
    return all;
  }

  void take(const std::vector<Run>& all) {
    for (Index i = 0; i < static_cast<Index>(all.size()); ++i) {
      const Run& run = all[static_cast<std::size_t>(i)];
      step_sizes.mutable_at(i) = run.step_size;
      steps.mutable_at(i) = run.steps;
      gradients.mutable_at(i) = run.gradients;
      products.mutable_at(i) = run.products;
      values.mutable_at(i) = run.value;
      gradient_norms.mutable_at(i) = run.gradient_norm;
      reasons.mutable_at(i) = static_cast<std::int64_t>(run.reason);
    }
  }
};

// Advances the runs in place; returns whether it was interrupted.
bool train(const ObjectiveObject& object, const Settings& settings, RunArrays& arrays,
           const std::vector<std::int64_t>& trace_steps, Array trace_values, Array trace_norms,
           std::optional<Array> trace_points, int n_threads) {
  const Index size = object.objective->size();
  std::vector<Run> runs = arrays.runs(size, training::state_size(settings, size));
  const auto count = static_cast<Index>(runs.size()), columns = static_cast<Index>(trace_steps.size());
  require_shape(trace_values.size() == count * columns && trace_norms.size() == count * columns, "traces", "(B, T)");
  require_shape(!trace_points || trace_points->size() == count * columns * size, "trace_points", "(B, T, N)");
  require_shape(settings.batch <= 0 || settings.batch <= object.objective->terms(), "batch",
                "at most the number of terms");
  const training::Trace trace{trace_steps, trace_values.mutable_data(), trace_norms.mutable_data(),
                              trace_points ? trace_points->mutable_data() : nullptr};
  const bool interrupted = without_gil(n_threads, [&](const Context& context) {
    return training::train(*object.objective, settings, runs, trace, context);
  });
  if (interrupted) forget_interrupt();
  arrays.take(runs);
  return interrupted;
}

template <class Enum>
auto as_integer(Enum Settings::* member) {
  return std::make_pair([member](const Settings& s) { return static_cast<int>(s.*member); },
                        [member](Settings& s, int value) { s.*member = static_cast<Enum>(value); });
}

}  // namespace training_bindings

void register_training(py::module_& module) {
  using namespace training_bindings;
  py::class_<ObjectiveObject, std::shared_ptr<ObjectiveObject>>(module, "Objective", "A landscape as training sees it.")
      .def_property_readonly("degree", [](const ObjectiveObject& o) { return o.objective->degree(); })
      .def_property_readonly("terms", [](const ObjectiveObject& o) { return o.objective->terms(); })
      .def_property_readonly("size", [](const ObjectiveObject& o) { return o.objective->size(); });
  module.def(
      "shallow_objective",
      [](std::shared_ptr<RiskObject> risk, Index hidden, std::optional<Array> x, std::optional<Array> y) {
        return linear_objective(std::move(risk), std::move(x), std::move(y),
                                [&](const linear::Risk& r, const linear::Rows& rows) {
                                  return std::make_unique<linear::ShallowObjective>(r, hidden, rows);
                                });
      },
      py::arg("risk"), py::arg("hidden"), py::arg("x").noconvert() = py::none(), py::arg("y").noconvert() = py::none(),
      "Points (U, V), packed; rows of x and y for minibatches.");
  module.def(
      "deep_objective",
      [](std::shared_ptr<RiskObject> risk, std::vector<Index> widths, std::optional<Array> x, std::optional<Array> y) {
        return linear_objective(std::move(risk), std::move(x), std::move(y),
                                [&](const linear::Risk& r, const linear::Rows& rows) {
                                  return std::make_unique<linear::DeepObjective>(r, widths, rows);
                                });
      },
      py::arg("risk"), py::arg("widths"), py::arg("x").noconvert() = py::none(), py::arg("y").noconvert() = py::none(),
      "Points (W1, ..., WL), packed; widths are n_0, ..., n_L; rows of x and y for minibatches.");

  module.def(
      "gradient_norm_objective",
      [](std::shared_ptr<ObjectiveObject> inner) {
        auto objective = std::make_unique<training::GradientNorm>(*inner->objective);
        return std::make_shared<ObjectiveObject>(ObjectiveObject{std::move(inner), std::move(objective)});
      },
      py::arg("objective"), "Half the squared gradient norm of an objective.");

  const auto method = as_integer(&Settings::method);
  const auto rule = as_integer(&Settings::rule);
  const auto schedule = as_integer(&Settings::schedule);
  py::class_<Settings>(module, "TrainingSettings", "See cpp/include/landscape/training/train.hpp.")
      .def(py::init<>())
      .def_property("method", method.first, method.second)
      .def_property("rule", rule.first, rule.second)
      .def_property("schedule", schedule.first, schedule.second)
      .def_readwrite("momentum", &Settings::momentum)
      .def_readwrite("beta1", &Settings::beta1)
      .def_readwrite("beta2", &Settings::beta2)
      .def_readwrite("epsilon", &Settings::epsilon)
      .def_readwrite("memory", &Settings::memory)
      .def_readwrite("noise", &Settings::noise)
      .def_readwrite("radius", &Settings::radius)
      .def_readwrite("threshold", &Settings::threshold)
      .def_readwrite("wait", &Settings::wait)
      .def_readwrite("drop", &Settings::drop)
      .def_readwrite("krylov", &Settings::krylov)
      .def_readwrite("curvature", &Settings::curvature)
      .def_readwrite("horizon", &Settings::horizon)
      .def_readwrite("every", &Settings::every)
      .def_readwrite("decay", &Settings::decay)
      .def_readwrite("warmup", &Settings::warmup)
      .def_readwrite("batch", &Settings::batch)
      .def_readwrite("seed", &Settings::seed)
      .def_readwrite("alone", &Settings::alone)
      .def_readwrite("tolerance", &Settings::tolerance)
      .def_readwrite("rounding", &Settings::rounding)
      .def_readwrite("last_step", &Settings::last_step)
      .def("state_size", &training::state_size, py::arg("parameters"), "Numbers per run that the method carries.");
  py::class_<RunArrays>(module, "Runs", "The states of a batch of runs: arrays, changed in place.")
      .def(py::init([](Array points, Array state, Array step_sizes, Integers steps, Integers gradients,
                       Integers products, Integers keys, Array values, Array gradient_norms, Array ceilings,
                       Integers reasons) {
             return RunArrays{points, state,  step_sizes,     steps,    gradients, products,
                              keys,   values, gradient_norms, ceilings, reasons};
           }),
           py::arg("points").noconvert(), py::arg("state").noconvert(), py::arg("step_sizes").noconvert(),
           py::arg("steps").noconvert(), py::arg("gradients").noconvert(), py::arg("products").noconvert(),
           py::arg("keys").noconvert(), py::arg("values").noconvert(), py::arg("gradient_norms").noconvert(),
           py::arg("ceilings").noconvert(), py::arg("reasons").noconvert());
  module.def("train", &train, py::arg("objective"), py::arg("settings"), py::arg("runs"), py::arg("trace_steps"),
             py::arg("trace_values").noconvert(), py::arg("trace_norms").noconvert(),
             py::arg("trace_points").noconvert(), py::arg("n_threads"),
             "Advances the runs in place to settings.last_step; returns whether Ctrl-C ended it.");
}

}  // namespace landscape::bindings
