// Gradient descent by Armijo's rule, or to the lowest point of the line where the value along it is a polynomial.
#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "group.hpp"

namespace landscape::training {

namespace {

constexpr double kGrowth = 1.25;
constexpr int kScales = 4;  // how often the nodes of a line are laid anew

class Descent final : public Stepper {
 public:
  explicit Descent(const Settings& settings) : settings_(settings) {}

  void step(Group& group, const Context& context) override {
    open_ = group.open();
    const bool exact = settings_.rule == StepRule::exact;
    if (exact) find_lowest(group, context);
    for (int halving = 0; !open_.empty(); ++halving) {
      for (const Index i : open_) place(group, i, group.run(i).step_size);
      group.evaluate(open_, context);
      retry_.clear();
      for (const Index i : open_) judge(group, i, halving);
      open_.swap(retry_);
    }
  }

 private:
  static void place(Group& group, Index i, double step) {
    const double* x = group.run(i).point;
    const double* g = group.gradient(i);
    double* y = group.trial(i);
    for (Index k = 0; k < group.size(); ++k) y[k] = x[k] - step * g[k];
  }

  // Where the promised decrease drowns in the rounding of the values, the slope along the line tells more: the parabola
  // through its two ends decreases enough (Hager & Zhang 2005, "approximate Wolfe").
  bool approximately_enough(Group& group, Index i) const {
    const Run& run = group.run(i);
    if (group.trial_value(i) > run.value + settings_.rounding) return false;
    const double across = group.dot(group.gradient(i), group.trial_gradient(i));
    return across >= (2.0 * kSufficient - 1.0) * run.gradient_norm * run.gradient_norm;
  }

  void judge(Group& group, Index i, int halving) {
    Run& run = group.run(i);
    const double enough = run.value - kSufficient * run.step_size * run.gradient_norm * run.gradient_norm;
    if (group.bad_trial(i) || (group.trial_value(i) > enough && !approximately_enough(group, i))) {
      run.step_size *= 0.5;
      if (halving < kHalvings)
        retry_.push_back(i);
      else
        run.reason = StopReason::stalled;
      return;
    }
    group.accept(i, true);
    if (settings_.rule == StepRule::backtracking && halving == 0) run.step_size *= kGrowth;
  }

  // step_size <- argmin over t > 0 of R(x - t g), from its derivative at as many nodes as determine it
  void find_lowest(Group& group, const Context& context) {
    const int degree = group.objective().degree() - 1;  // of the derivative
    std::vector<Index> todo = open_;
    for (int scale = 0; !todo.empty() && scale < kScales; ++scale) {
      // nodes s in [-1, 1] of t = s T, the slope at s = 0 being known
      Matrix powers(degree + 1, degree + 1);
      powers.row(0).setZero();
      powers(0, 0) = 1.0;
      std::vector<Vector> slopes(todo.size(), Vector::Zero(degree + 1));
      for (std::size_t k = 0; k < todo.size(); ++k)
        slopes[k][0] = -group.run(todo[k]).gradient_norm * group.run(todo[k]).gradient_norm;
      for (int node = 1; node <= degree; ++node) {
        // Chebyshev's nodes of an even number of points avoid zero; of an odd degree the last one is left out
        const double s = std::cos(3.14159265358979323846 * (2 * node - 1) / (2.0 * (degree + degree % 2)));
        powers(node, 0) = 1.0;
        for (int j = 1; j <= degree; ++j) powers(node, j) = powers(node, j - 1) * s;
        for (const Index i : todo) place(group, i, s * group.run(i).step_size);
        group.evaluate(todo, context);
        for (std::size_t k = 0; k < todo.size(); ++k)
          slopes[k][node] = -group.dot(group.gradient(todo[k]), group.trial_gradient(todo[k]));
      }
      const Eigen::PartialPivLU<Matrix> inverse(powers);
      std::vector<Index> again;
      for (std::size_t k = 0; k < todo.size(); ++k) {
        Run& run = group.run(todo[k]);
        if (!slopes[k].allFinite()) {
          run.step_size *= 1e-3;
          again.push_back(todo[k]);
          continue;
        }
        const double best = lowest(inverse.solve(slopes[k]));
        if (best <= 0.0 || !std::isfinite(best)) continue;  // rounding has the word: Armijo's rule from where it was
        run.step_size *= best;
        if (best > 4.0 || best < 0.02) again.push_back(todo[k]);  // far from the nodes: nearer ones determine it better
      }
      todo.swap(again);
    }
  }

  // The s > 0 of the lowest value of the polynomial with this derivative; 0 if there is none.
  static double lowest(Vector derivative) {
    const double size = derivative.cwiseAbs().maxCoeff();
    Index degree = derivative.size() - 1;
    while (degree > 0 && std::abs(derivative[degree]) <= 1e-14 * size) --degree;
    if (degree == 0) return 0.0;
    Eigen::MatrixXd companion = Eigen::MatrixXd::Zero(degree, degree);
    for (Index j = 0; j < degree; ++j) companion(j, degree - 1) = -derivative[j] / derivative[degree];
    for (Index j = 1; j < degree; ++j) companion(j, j - 1) = 1.0;
    const Eigen::EigenSolver<Eigen::MatrixXd> solver(companion, false);
    double best = 0.0, lowest_value = 0.0;
    for (Index j = 0; j < degree; ++j) {
      const std::complex<double> root = solver.eigenvalues()[j];
      if (root.real() <= 0.0 || std::abs(root.imag()) > 1e-6 * std::abs(root.real())) continue;
      double s = root.real();
      for (int step = 0; step < 3; ++step) {  // Newton's polish
        double p = 0.0, dp = 0.0;
        for (Index k = degree; k >= 0; --k) {
          dp = dp * s + p;
          p = p * s + derivative[k];
        }
        if (dp > 0.0 && std::abs(p / dp) < 0.1 * s) s -= p / dp;
      }
      double value = 0.0;
      for (Index k = degree; k >= 0; --k) value = value * s + derivative[k] / static_cast<double>(k + 1);
      value *= s;
      if (value < lowest_value) {
        lowest_value = value;
        best = s;
      }
    }
    return best;
  }

  const Settings& settings_;
  std::vector<Index> open_, retry_;
};

}  // namespace

std::unique_ptr<Stepper> make_descent(const Settings& settings) { return std::make_unique<Descent>(settings); }

}  // namespace landscape::training
