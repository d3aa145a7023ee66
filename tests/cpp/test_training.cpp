// The methods on a bowl whose iterates are known in closed form.
#include "landscape/training/train.hpp"

#include <cmath>
#include <limits>
#include <utility>
#include "support.hpp"

namespace training = landscape::training;
using landscape::Index;
using training::StopReason;

namespace {

// R(x) = sum_k (k + 1) x_k^2 / 2 in three variables, and NaN beyond |x_0| = 100.
struct Bowl : training::Objective {
  Index size() const override { return 3; }
  Index together() const override { return 2; }
  std::unique_ptr<Scratch> scratch() const override { return std::make_unique<Scratch>(); }
  void gradients(const double* const* points, Index count, double* values, double* const* gradients, Scratch&,
                 const landscape::Context&) const override {
    for (Index i = 0; i < count; ++i) {
      values[i] = 0.0;
      for (Index k = 0; k < 3; ++k) {
        gradients[i][k] = static_cast<double>(k + 1) * points[i][k];
        values[i] += 0.5 * gradients[i][k] * points[i][k];
      }
      if (std::abs(points[i][0]) > 100.0) values[i] = std::numeric_limits<double>::quiet_NaN();
    }
  }
  int degree() const override { return 2; }
  void set_hessian(const double*, Scratch&, const landscape::Context&) const override {}
  void product(const double* d, double* h, Scratch&, const landscape::Context&) const override {
    for (Index k = 0; k < 3; ++k) h[k] = static_cast<double>(k + 1) * d[k];
  }
};

training::Settings settings_of(training::Method method, training::StepRule rule, double tolerance, Index last_step) {
  training::Settings settings;
  settings.method = method;
  settings.rule = rule;
  settings.tolerance = tolerance;
  settings.last_step = last_step;
  return settings;
}

training::Settings descent(bool backtracking, double tolerance, Index last_step) {
  return settings_of(training::Method::gradient_descent,
                     backtracking ? training::StepRule::backtracking : training::StepRule::fixed, tolerance, last_step);
}

}  // namespace

TEST_CASE("fixed steps, their record, convergence, and a neighbour that diverges") {
  double points[3][3] = {{1.0, 1.0, 1.0}, {1000.0, 0.0, 0.0}, {0.0, 0.0, 0.0}};
  std::vector<training::Run> runs(3);
  for (Index i = 0; i < 3; ++i) {
    runs[static_cast<std::size_t>(i)].point = points[i];
    runs[static_cast<std::size_t>(i)].step_size = 0.1;
    runs[static_cast<std::size_t>(i)].ceiling = 1e12;
  }
  double values[9], norms[9], kept[27];
  const training::Trace trace{{0, 2, 5}, values, norms, kept};
  CHECK_FALSE(training::train(Bowl(), descent(false, 0.0, 5), runs, trace, {}));
  for (Index k = 0; k < 3; ++k)
    CHECK(points[0][k] == doctest::Approx(std::pow(1.0 - 0.1 * static_cast<double>(k + 1), 5)));
  CHECK(kept[3] == doctest::Approx(0.81));
  CHECK(values[0] == doctest::Approx(3.0));
  CHECK(runs[0].steps == 5);
  CHECK(runs[0].gradients == 6);
  CHECK(runs[0].reason == StopReason::running);
  CHECK(runs[1].reason == StopReason::diverged);
  CHECK(points[1][0] == 1000.0);
  CHECK(runs[2].reason == StopReason::converged);
  CHECK(runs[2].steps == 0);
  CHECK(norms[8] == 0.0);
}

TEST_CASE("backtracking never rises and arrives") {
  double point[3] = {-3.0, 2.0, 90.0};
  std::vector<training::Run> runs(1);
  runs[0].point = point;
  runs[0].step_size = 1e6;  // far too long: the first trials are beyond the domain
  runs[0].ceiling = 1e12;
  std::vector<double> values(401), norms(401);
  training::Trace trace;
  for (std::int64_t step = 0; step <= 400; ++step) trace.steps.push_back(step);
  trace.values = values.data();
  trace.gradient_norms = norms.data();
  training::train(Bowl(), descent(true, 1e-10, 400), runs, trace, {});
  CHECK(runs[0].reason == StopReason::converged);
  for (std::size_t step = 1; step <= 400; ++step) CHECK(values[step] <= values[step - 1]);
  CHECK(norms.back() <= 1e-10);
}

TEST_CASE("an interrupted run keeps the steps it completed") {
  double point[3] = {1.0, 1.0, 1.0};
  std::vector<training::Run> runs(1);
  runs[0].point = point;
  runs[0].step_size = 1e-9;
  runs[0].ceiling = 1e12;
  landscape::Monitor monitor([] { return true; });
  const landscape::Context context{1, nullptr, &monitor};
  CHECK(training::train(Bowl(), descent(false, 0.0, 2'000'000'000), runs, {}, context));
  CHECK(runs[0].reason == StopReason::running);
  CHECK(runs[0].steps > 0);
  CHECK(point[0] == doctest::Approx(std::pow(1.0 - 1e-9, static_cast<double>(runs[0].steps))));
}

TEST_CASE("every method that needs no rate ends at the bottom of the bowl") {
  using training::Method;
  using training::StepRule;
  struct Case {
    Method method;
    StepRule rule;
    Index most;
  };
  for (const Case& c :
       {Case{Method::gradient_descent, StepRule::exact, 200}, Case{Method::lbfgs, StepRule::fixed, 30},
        Case{Method::newton_cg, StepRule::fixed, 20}, Case{Method::trust_region, StepRule::fixed, 20}}) {
    double point[3] = {-3.0, 2.0, 9.0};
    const training::Settings settings = settings_of(c.method, c.rule, 1e-10, c.most);
    std::vector<double> state(static_cast<std::size_t>(training::state_size(settings, 3)), 0.0);
    std::vector<training::Run> runs(1);
    runs[0].point = point;
    runs[0].state = state.data();
    runs[0].step_size = 1.0;
    runs[0].ceiling = 1e12;
    CHECK_FALSE(training::train(Bowl(), settings, runs, {}, {}));
    CHECK(runs[0].reason == StopReason::converged);
    CHECK(runs[0].gradient_norm <= 1e-10);
  }
}

TEST_CASE("adam's first two steps (THEORY 11)") {
  double point[3] = {1.0, 0.0, 0.0};
  training::Settings settings = settings_of(training::Method::adam, training::StepRule::fixed, 0.0, 2);
  std::vector<double> state(6, 0.0);
  std::vector<training::Run> runs(1);
  runs[0].point = point;
  runs[0].state = state.data();
  runs[0].step_size = 0.1;
  runs[0].ceiling = 1e12;
  training::train(Bowl(), settings, runs, {}, {});
  CHECK(point[0] == doctest::Approx(0.8004122).epsilon(1e-7));
  CHECK(point[1] == 0.0);
}

TEST_CASE("gradients and products are counted exactly") {
  using training::Method;
  using training::StepRule;
  struct Counting : Bowl {
    mutable std::int64_t gradient_calls = 0, product_calls = 0;
    void gradients(const double* const* points, Index count, double* values, double* const* slopes, Scratch& scratch,
                   const landscape::Context& context) const override {
      gradient_calls += count;
      Bowl::gradients(points, count, values, slopes, scratch, context);
    }
    void product(const double* d, double* h, Scratch& scratch, const landscape::Context& context) const override {
      ++product_calls;
      Bowl::product(d, h, scratch, context);
    }
  };
  for (const auto& [method, rule] :
       {std::pair(Method::gradient_descent, StepRule::fixed),
        std::pair(Method::gradient_descent, StepRule::backtracking),
        std::pair(Method::gradient_descent, StepRule::exact), std::pair(Method::momentum, StepRule::fixed),
        std::pair(Method::adagrad, StepRule::fixed), std::pair(Method::adam, StepRule::fixed),
        std::pair(Method::lbfgs, StepRule::fixed), std::pair(Method::noisy_gd, StepRule::fixed),
        std::pair(Method::perturbed_gd, StepRule::fixed), std::pair(Method::newton_cg, StepRule::fixed),
        std::pair(Method::trust_region, StepRule::fixed)}) {
    const Counting bowl;
    double point[3] = {-3.0, 2.0, 9.0};
    training::Settings settings = settings_of(method, rule, 1e-6, 12);
    settings.threshold = 1e3;  // perturbed at once
    settings.wait = 3;
    std::vector<double> state(static_cast<std::size_t>(training::state_size(settings, 3)), 0.0);
    std::vector<training::Run> runs(1);
    runs[0].point = point;
    runs[0].state = state.data();
    runs[0].step_size = 0.05;
    runs[0].ceiling = 1e12;
    training::train(bowl, settings, runs, {}, {});
    CAPTURE(static_cast<int>(method));
    CHECK(runs[0].gradients == bowl.gradient_calls);
    CHECK(runs[0].products == bowl.product_calls);
    CHECK(runs[0].steps > 0);
  }
}
