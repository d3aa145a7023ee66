#include <algorithm>
#include <cmath>

#include "group.hpp"
#include "landscape/random.hpp"
#include "random_terms.hpp"

namespace landscape::training {

namespace {

// Streams of random numbers that have nothing to do with each other.
constexpr std::uint64_t kTerms = 0x7465726D73ULL, kNoise = 0x6E6F697365ULL, kBall = 0x62616C6CULL;

// A direction uniform on the unit sphere.
void draw_direction(const CounterRandom& random, std::uint64_t draw, Index size, double* xi) {
  for (Index k = 0; k < size; ++k)
    xi[k] = random.normal(draw * static_cast<std::uint64_t>(size) + static_cast<std::uint64_t>(k));
  VectorMap direction(xi, size);
  const double length = direction.norm();
  if (length > 0.0) direction /= length;
}

// Whether the gradient of a step is not that of the point where the run stands.
bool elsewhere(const Settings& settings) { return settings.batch > 0 || settings.method == Method::nesterov; }

Index moments(const Settings& settings) {
  switch (settings.method) {
    case Method::momentum:
    case Method::nesterov:
    case Method::adagrad:
      return 1;
    case Method::adam:
      return 2;
    default:
      return 0;
  }
}

// x <- x + (a step along -g), in all the forms that need nothing but the gradient and what they carry: their moments,
// and where the gradient is taken elsewhere the point before the last step, to which a run that diverges goes back.
class FirstOrder final : public Stepper {
 public:
  explicit FirstOrder(const Settings& settings) : settings_(settings) {}

  bool first_order() const override { return settings_.method != Method::noisy_gd && settings_.batch == 0; }
  bool measures() const override { return !elsewhere(settings_); }

  void step(Group& group, const Context& context) override {
    open_ = group.open();
    const std::vector<Index>& open = open_;
    if (settings_.method == Method::nesterov) look_ahead(group, open, context);
    for (const Index i : open) {
      if (settings_.batch > 0) estimate(group, i, context);
      if (group.run(i).reason == StopReason::running) move(group, i);
    }
    if (!measures()) {
      for (const Index i : open) {
        Run& run = group.run(i);
        double* before = run.state + moments(settings_) * group.size();
        if (run.reason == StopReason::diverged && run.steps > 0) std::copy_n(before, group.size(), run.point);
        if (run.reason != StopReason::running) continue;
        std::copy_n(run.point, group.size(), before);
        std::copy_n(group.trial(i), group.size(), run.point);
        ++run.steps;
      }
      return;
    }
    group.evaluate(open, context);
    for (const Index i : open) {
      if (group.bad_trial(i))
        group.run(i).reason = StopReason::diverged;  // the last good point stays
      else
        group.accept(i, first_order());
    }
  }

 private:
  // The gradient of a minibatch; which one depends on the seed, the run and the step.
  void estimate(Group& group, Index i, const Context& context) {
    Run& run = group.run(i);
    const auto count = static_cast<std::uint64_t>(group.objective().terms());
    const auto batch = static_cast<std::uint64_t>(settings_.batch);
    const CounterRandom random(settings_.seed ^ kTerms, run.key);
    chosen_.clear();
    for (std::uint64_t place = static_cast<std::uint64_t>(run.steps) * batch; chosen_.size() < batch;) {
      const Epoch epoch(random, place / count, count);
      for (std::uint64_t at = place % count; at < count && chosen_.size() < batch; ++at, ++place)
        chosen_.push_back(static_cast<Index>(epoch(at)));
    }
    const double* at = settings_.method == Method::nesterov ? group.trial(i) : run.point;
    const double value =
        group.objective().estimate(at, chosen_.data(), settings_.batch, group.gradient(i), group.scratch(), context);
    ++run.gradients;
    if (!std::isfinite(value) || !std::isfinite(group.norm(group.gradient(i))) || value > run.ceiling)
      run.reason = StopReason::diverged;
  }

  // trial <- x + mu v, where Nesterov's method takes its gradient. The value at x is not needed, except to end there.
  void look_ahead(Group& group, const std::vector<Index>& open, const Context& context) {
    const Index size = group.size();
    for (const Index i : open) {
      const Run& run = group.run(i);
      VectorMap(group.trial(i), size) =
          ConstVectorMap(run.point, size) + settings_.momentum * ConstVectorMap(run.state, size);
    }
    if (settings_.batch > 0) return;
    group.evaluate(open, context);
    std::vector<Index> small;
    for (const Index i : open) {
      Run& run = group.run(i);
      std::copy_n(group.trial_gradient(i), size, group.gradient(i));
      run.gradient_norm = group.trial_gradient_norm(i);
      if (group.bad_trial(i))
        run.reason = StopReason::diverged;
      else if (group.small_gradient(i))
        small.push_back(i);
    }
    for (const Index i : small) std::copy_n(group.run(i).point, size, group.trial(i));
    group.evaluate(small, context);
    for (const Index i : small) {
      group.run(i).gradient_norm = group.trial_gradient_norm(i);
      group.test_convergence(i);
    }
  }

  // trial <- x + step
  void move(Group& group, Index i) {
    Run& run = group.run(i);
    const Index size = group.size();
    const ConstVectorMap x(run.point, size), g(group.gradient(i), size);
    VectorMap y(group.trial(i), size), carried(run.state, moments(settings_) > 0 ? size : 0);
    const double rate = run.step_size * scheduled(settings_, run.steps);
    switch (settings_.method) {
      case Method::momentum:
        carried = settings_.momentum * carried + g;
        y = x - rate * carried;
        break;
      case Method::nesterov:
        carried = settings_.momentum * carried - rate * g;
        y = x + carried;
        break;
      case Method::adagrad:
        carried += g.cwiseAbs2();
        y = x.array() - rate * g.array() / (carried.array().sqrt() + settings_.epsilon);
        break;
      case Method::adam: {
        VectorMap square(run.state + size, size);
        const auto t = static_cast<double>(run.steps + 1);
        const double first = rate / (1.0 - std::pow(settings_.beta1, t));
        const double second = 1.0 / std::sqrt(1.0 - std::pow(settings_.beta2, t));
        carried = settings_.beta1 * carried + (1.0 - settings_.beta1) * g;
        square = settings_.beta2 * square + (1.0 - settings_.beta2) * g.cwiseAbs2();
        y = x.array() - first * carried.array() / (second * square.array().sqrt() + settings_.epsilon);
        break;
      }
      case Method::noisy_gd: {
        noise_.resize(size);
        const CounterRandom random(settings_.seed ^ kNoise, run.key);
        draw_direction(random, static_cast<std::uint64_t>(run.steps), size, noise_.data());
        y = x - rate * (g + settings_.noise * noise_);
        break;
      }
      default:
        y = x - rate * g;
    }
  }

  const Settings& settings_;
  std::vector<Index> open_, chosen_;
  Vector noise_;
};

// State: [0] the step of the last perturbation plus one, [1] the value before it, then the point before it.
class Perturbed final : public Stepper {
 public:
  explicit Perturbed(const Settings& settings) : settings_(settings) {}

  bool first_order() const override { return false; }

  void step(Group& group, const Context& context) override {
    const Index size = group.size();
    std::vector<Index> pushed, going;
    for (const Index i : group.open()) {
      Run& run = group.run(i);
      const double now = static_cast<double>(run.steps), wait = static_cast<double>(settings_.wait);
      const bool perturbed = run.state[0] > 0.0;
      const double since = now - (run.state[0] - 1.0);
      if (perturbed && since == wait && run.value - run.state[1] > -settings_.drop) {
        std::copy_n(run.state + 2, size, group.trial(i));  // it has not paid: the point before it is the answer
        run.reason = StopReason::converged;
        returned_.push_back(i);
        continue;
      }
      going.push_back(i);
      if (run.gradient_norm > settings_.threshold || (perturbed && since <= wait)) continue;
      run.state[0] = now + 1.0;
      run.state[1] = run.value;
      std::copy_n(run.point, size, run.state + 2);
      const CounterRandom random(settings_.seed ^ kBall, run.key);
      const auto draw = static_cast<std::uint64_t>(run.steps);
      noise_.resize(size);
      draw_direction(random, draw, size, noise_.data());
      const CounterRandom lengths(settings_.seed ^ kBall ^ 1U, run.key);
      const double length = settings_.radius * std::pow(lengths.uniform(draw), 1.0 / static_cast<double>(size));
      VectorMap(group.trial(i), size) = ConstVectorMap(run.point, size) + length * noise_;
      pushed.push_back(i);
    }
    group.evaluate(pushed, context);
    for (const Index i : pushed) {
      Run& run = group.run(i);
      if (group.bad_trial(i)) {
        run.reason = StopReason::diverged;
        continue;
      }
      group.accept(i, false);
      --run.steps;  // the perturbation and the descent after it are one step
    }
    going.erase(
        std::remove_if(going.begin(), going.end(), [&](Index i) { return group.run(i).reason != StopReason::running; }),
        going.end());
    for (const Index i : going) {
      const Run& run = group.run(i);
      const double rate = run.step_size * scheduled(settings_, run.steps);
      VectorMap(group.trial(i), size) =
          ConstVectorMap(run.point, size) - rate * ConstVectorMap(group.gradient(i), size);
    }
    going.insert(going.end(), returned_.begin(), returned_.end());
    group.evaluate(going, context);
    for (const Index i : going) {
      Run& run = group.run(i);
      if (run.reason == StopReason::running && group.bad_trial(i)) {
        run.reason = StopReason::diverged;
        continue;
      }
      group.accept(i, false);
    }
    returned_.clear();
  }

 private:
  const Settings& settings_;
  std::vector<Index> returned_;
  Vector noise_;
};

}  // namespace

Index first_order_blocks(const Settings& settings) {
  const bool fixed = settings.method != Method::gradient_descent || settings.rule == StepRule::fixed;
  const bool second = settings.method == Method::newton_cg || settings.method == Method::trust_region;
  return moments(settings) + (fixed && !second && elsewhere(settings) ? 1 : 0);
}

std::unique_ptr<Stepper> make_first_order(const Settings& settings) { return std::make_unique<FirstOrder>(settings); }

std::unique_ptr<Stepper> make_perturbed(const Settings& settings) { return std::make_unique<Perturbed>(settings); }

}  // namespace landscape::training
