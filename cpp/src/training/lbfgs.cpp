#include <algorithm>
#include <cmath>

#include "group.hpp"
#include "wolfe_search.hpp"

namespace landscape::training {

namespace {

constexpr double kAngle = 1e-10;      // a direction closer to a right angle with the gradient is replaced by -g
constexpr double kCurvature = 1e-12;  // of |s| |y|: pairs below it say nothing

// The last pairs (s, y) of a run, oldest first from `head`:  [count, head, 1 / <s, y> (m), s (m x N), y (m x N)]
class Memory {
 public:
  Memory(double* state, Index capacity, Index size) : state_(state), capacity_(capacity), size_(size) {}

  Index count() const { return static_cast<Index>(state_[0]); }
  void clear() { state_[0] = state_[1] = 0.0; }
  // The pair of age 0 (the newest), 1, ...
  double inverse(Index age) const { return state_[2 + at(age)]; }
  VectorMap s(Index age) const { return {state_ + 2 + capacity_ + at(age) * size_, size_}; }
  VectorMap y(Index age) const { return {state_ + 2 + capacity_ + (capacity_ + at(age)) * size_, size_}; }

  template <class Step, class Change>
  void add(const Step& step, const Change& change) {
    const double inner = step.dot(change);
    if (!(inner > kCurvature * step.norm() * change.norm())) return;
    const auto slot = static_cast<Index>(state_[1]);
    state_[2 + slot] = 1.0 / inner;
    VectorMap(state_ + 2 + capacity_ + slot * size_, size_) = step;
    VectorMap(state_ + 2 + capacity_ + (capacity_ + slot) * size_, size_) = change;
    state_[1] = static_cast<double>((slot + 1) % capacity_);
    state_[0] = static_cast<double>(std::min(count() + 1, capacity_));
  }

 private:
  Index at(Index age) const { return (static_cast<Index>(state_[1]) + capacity_ - 1 - age) % capacity_; }

  double* state_;
  Index capacity_, size_;
};

class Lbfgs final : public Stepper {
 public:
  explicit Lbfgs(const Settings& settings) : settings_(settings) {}

  void step(Group& group, const Context& context) override {
    const Index size = group.size();
    open_ = group.open();
    directions_.resize(static_cast<std::size_t>(group.count() * size));
    searches_.assign(static_cast<std::size_t>(group.count()), WolfeSearch(0.0, -1.0, 1.0, 0.0));
    for (const Index i : open_) aim(group, i);
    while (!open_.empty()) {
      for (const Index i : open_) place(group, i, search(i).trial());
      group.evaluate(open_, context);
      retry_.clear();
      for (const Index i : open_) judge(group, i, context);
      open_.swap(retry_);
    }
  }

 private:
  WolfeSearch& search(Index i) { return searches_[static_cast<std::size_t>(i)]; }
  VectorMap direction(Group& group, Index i) { return {directions_.data() + i * group.size(), group.size()}; }
  Memory memory(Group& group, Index i) { return {group.run(i).state, settings_.memory, group.size()}; }

  void place(Group& group, Index i, double step) {
    VectorMap(group.trial(i), group.size()) =
        ConstVectorMap(group.run(i).point, group.size()) + step * direction(group, i);
  }

  // The direction and the start of its search.
  void aim(Group& group, Index i) {
    Run& run = group.run(i);
    Memory pairs = memory(group, i);
    const ConstVectorMap g(group.gradient(i), group.size());
    VectorMap d = direction(group, i);
    d = -g;
    if (pairs.count() > 0) {
      alpha_.resize(pairs.count());
      for (Index age = 0; age < pairs.count(); ++age) {
        alpha_[age] = pairs.inverse(age) * pairs.s(age).dot(d);
        d -= alpha_[age] * pairs.y(age);
      }
      d *= 1.0 / (pairs.inverse(0) * pairs.y(0).squaredNorm());
      for (Index age = pairs.count() - 1; age >= 0; --age) {
        const double beta = pairs.inverse(age) * pairs.y(age).dot(d);
        d += (alpha_[age] - beta) * pairs.s(age);
      }
      const double slope = g.dot(d);
      if (!d.allFinite() || !(slope < -kAngle * run.gradient_norm * d.norm())) {
        pairs.clear();
        d = -g;
      }
    }
    const double first = pairs.count() > 0 ? 1.0 : run.step_size;
    search(i) = WolfeSearch(run.value, g.dot(d), first, settings_.rounding);
  }

  void judge(Group& group, Index i, const Context& context) {
    Run& run = group.run(i);
    const bool bad = group.bad_trial(i);
    const double slope = bad ? 0.0 : ConstVectorMap(group.trial_gradient(i), group.size()).dot(direction(group, i));
    const double value = bad ? std::numeric_limits<double>::infinity() : group.trial_value(i);
    const WolfeSearch::Verdict verdict = search(i).feed(value, slope);
    if (verdict == WolfeSearch::Verdict::searching) {
      retry_.push_back(i);
      return;
    }
    if (verdict == WolfeSearch::Verdict::failed) {
      if (search(i).fallback() > 0.0) {
        place(group, i, search(i).fallback());
        group.evaluate(i, context);
      } else if (memory(group, i).count() > 0) {
        memory(group, i).clear();  // once more, along the gradient
        run.step_size = 0.1 * std::max(group.norm(run.point), 1e-3) / run.gradient_norm;
        aim(group, i);
        retry_.push_back(i);
        return;
      } else {
        run.reason = StopReason::stalled;
        return;
      }
    }
    const ConstVectorMap x(run.point, group.size()), y(group.trial(i), group.size());
    const ConstVectorMap before(group.gradient(i), group.size()), after(group.trial_gradient(i), group.size());
    step_ = y - x;
    change_ = after - before;
    memory(group, i).add(step_, change_);
    group.accept(i, true);
  }

  const Settings& settings_;
  std::vector<double> directions_;
  std::vector<WolfeSearch> searches_;
  std::vector<Index> open_, retry_;
  Vector alpha_, step_, change_;
};

}  // namespace

std::unique_ptr<Stepper> make_lbfgs(const Settings& settings) { return std::make_unique<Lbfgs>(settings); }

}  // namespace landscape::training
