#include "landscape/factorization/solve.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "landscape/errors.hpp"
#include "landscape/random.hpp"
#include "landscape/rounding.hpp"
#include "newton.hpp"
#include "subspace.hpp"

namespace landscape::factorization {

namespace {

// The problem in units where the largest target and the largest weight are 1, by powers of four, which are exact:
//   Y = y Y', c = c c', U = sqrt(y) U', V = sqrt(y) V', lam = c y lam', f = c y^2 f'.
// Logistic targets are labels and keep their size.
struct Units {
  double y = 1.0, c = 1.0;
  double root() const { return std::sqrt(y); }
  double lam() const { return c * y; }
  double value(double scaled) const { return c * (y * (y * scaled)); }
};

double power_of_four_near(double x) {
  if (!(x > 0.0) || !std::isfinite(x)) return 1.0;
  return std::ldexp(1.0, 2 * static_cast<int>(std::lround(0.5 * std::log2(x))));
}

Matrix random_block(Index rows, Index cols, std::uint64_t seed, std::uint64_t stream) {
  const CounterRandom random(seed, stream);
  Matrix block(rows, cols);
  for (Index k = 0; k < block.size(); ++k) block.data()[k] = random.uniform(k) - 0.5;
  return block;
}

class Solver {
 public:
  Solver(const Observed& observed, const Loss& loss, double lam, const Units& units, const Polar& polar,
         const SolveSettings& settings, const Context& context)
      : observed_(observed),
        objective_(observed, loss, lam),
        units_(units),
        polar_(polar),
        settings_(settings),
        context_(context),
        rank_max_(
            std::min(settings.rank_max < 0 ? observed.n2 : settings.rank_max, std::min(observed.n2, observed.n0))),
        newton_(objective_, [this] { return out_of_time(); }) {}

  void start(const ConstMatrixView& u, const ConstMatrixView& v) {
    w_ = stack(u, v);
    width_ = u.cols();
  }

  Status run() {
    try {
      value_ = objective_.value(w_, context_);
      if (!std::isfinite(value_)) return Status::not_finite;
      const Status status = rounds();
      // without a certificate, at least the best bound this point has to offer
      if (status != Status::certified) bound(polar_lower_);
      return status;
    } catch (const Interrupted&) {
      return Status::interrupted;
    }
  }

  SolveResult result(Status status) {
    SolveResult result;
    result.status = status;
    if (status == Status::not_finite) {
      result.value = value_;
      result.u = units_.root() * w_.topLeftCorner(observed_.n2, width_);
      result.v = units_.root() * w_.bottomLeftCorner(observed_.n0, width_);
      return result;
    }
    Context quiet = context_;  // the point is to be handed back even though the monitor said stop
    quiet.monitor = nullptr;
    const Subspace here = explore(w_, observed_.n2, width_, {observed_.n2, observed_.n0, no_product(), no_product()},
                                  Matrix(observed_.n0, 0), 0, quiet);
    Balanced point = ProximalPoint(here, 0.0, objective_.lam(), width_, quiet).factors(quiet);
    // balancing never raises f in exact arithmetic
    const double balanced = objective_.value(stack(point.u, point.v), quiet), here_value = objective_.value(w_, quiet);
    value_ = balanced;
    if (!(balanced <= here_value + kLevel * std::abs(here_value))) {
      value_ = here_value;
      point.u = w_.topLeftCorner(observed_.n2, width_);
      point.v = w_.bottomLeftCorner(observed_.n0, width_);
    }
    result.u = units_.root() * point.u;
    result.v = units_.root() * point.v;
    result.value = units_.value(value_);
    result.lower_bound = units_.value(lower_bound_);
    result.polar_lower = units_.lam() * polar_lower_;
    result.polar_upper = units_.lam() * polar_upper_;
    result.rounds = round_;
    result.newton_steps = newton_.steps();
    result.hessian_products = newton_.products();
    result.trace = std::move(trace_);
    return result;
  }

 private:
  static linalg::LinearMap::Product no_product() {
    return [](const ConstMatrixView&, MatrixView out, const Context&) { out.setZero(); };
  }

  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }
  bool out_of_time() const { return seconds() > settings_.max_seconds; }

  void record() {
    trace_.push_back({seconds(), width_, units_.value(value_), units_.value(lower_bound_), units_.lam() * polar_lower_,
                      units_.lam() * polar_upper_});
    if (settings_.on_record) settings_.on_record(trace_.back());
  }

  Status rounds() {
    Matrix block = random_block(observed_.n0, settings_.first_block + kSpare, settings_.seed, 0);
    Index idle = 0;               // rounds in a row in which only the subspace got better
    double flattest = kInfinity;  // smallest gradient at this width
    for (round_ = 0; round_ < settings_.max_rounds; ++round_) {
      objective_.residual(w_.topLeftCorner(observed_.n2, width_), w_.bottomLeftCorner(observed_.n0, width_), e_,
                          context_);
      const Subspace subspace = explore(w_, observed_.n2, width_, sparse_map(observed_, e_), block,
                                        idle == 0 ? kSweeps : kIdleSweeps, context_);
      polar_lower_ = subspace.polar_lower;
      polar_upper_ = kInfinity;
      const bool proved = try_to_prove(subspace);
      record();
      if (proved) return Status::certified;
      if (out_of_time()) return Status::time_limit;

      // While columns are missing, descent at this width is worth little accuracy.
      const double missing = subspace.outside.size() > 0 ? subspace.outside[0] : 0.0;
      const bool growing = missing > 1.01 * objective_.lam() || missing > subspace.inside;
      const double forcing = growing ? kLooseForcing : kForcing;

      const double before = value_;
      const Index width_before = width_;
      widen(subspace, block);
      if (width_ != width_before) flattest = kInfinity;
      newton_.start(w_, context_);
      const double begin = newton_.gradient_norm();
      for (int step = 0; step < kStepsPerRound; ++step) {
        if (!newton_.step(w_, forcing, kProductsPerStep, context_)) break;
        value_ = std::min(value_, newton_.value());
        if (newton_.gradient_norm() <= forcing * begin) break;
      }
      if (out_of_time()) continue;  // one more look at the polar, then out
      const bool fell = value_ < before - kLevel * std::abs(before);
      const bool flatter = newton_.gradient_norm() < 0.5 * flattest;
      flattest = std::min(flattest, newton_.gradient_norm());
      idle = fell || flatter ? 0 : idle + 1;
      if (idle > kIdleRounds) return rank_limited(subspace) ? Status::rank_limit : Status::stagnated;
    }
    return Status::stagnated;
  }

  bool rank_limited(const Subspace& subspace) const {
    return width_ >= rank_max_ && subspace.outside.size() > 0 && subspace.outside[0] > objective_.lam();
  }

  // Asks for an upper bound only when the lower one leaves hope that the gap closes.
  bool try_to_prove(const Subspace& subspace) {
    const double allowed = value_ * (1.0 - settings_.tolerance);
    const auto dual = [&](double kappa) { return objective_.dual_value(e_, kappa, context_); };
    if (!(dual(polar_lower_) >= allowed)) return value_ <= 0.0;
    // the largest bound that still proves the gap
    double enough = polar_lower_, beyond = std::max(2.0 * polar_lower_, objective_.lam());
    if (dual(beyond) >= allowed) {
      enough = beyond;
    } else {
      for (int step = 0; step < 40 && beyond - enough > 1e-3 * (beyond - polar_lower_); ++step) {
        const double middle = 0.5 * (enough + beyond);
        (dual(middle) >= allowed ? enough : beyond) = middle;
      }
    }
    known_ = subspace.right;
    bound(enough);
    return value_ - lower_bound_ <= settings_.tolerance * value_;
  }

  // Both polar bounds and the lower bound of f at the point whose residual is e_.
  void bound(double enough) {
    const Residual residual{observed_, e_, sparse_map(observed_, e_)};
    const PolarEstimate estimate = polar_(residual, known_, {polar_lower_, enough}, context_);
    polar_lower_ = std::max(polar_lower_, estimate.lower);
    polar_upper_ = std::max(estimate.upper, polar_lower_);
    if (estimate.right.cols() > 0) hint_ = estimate.right;
    lower_bound_ = std::max(lower_bound_, objective_.dual_value(e_, polar_upper_, context_));
  }

  // The proximal step with the longest step length that lowers f; `block` becomes the next one to explore with.
  void widen(const Subspace& subspace, Matrix& block) {
    const double lam = objective_.lam(), shortest = 1.0 / objective_.curvature();
    const Index violators = subspace.violators(lam);
    Matrix known;  // directions worth exploring again
    bool moved = false;
    // Far from stationary, what lies beside the spans is mostly the error inside them: descend before inserting it.
    const bool settled = subspace.outside.size() == 0 || subspace.inside <= std::max(1.1 * lam, subspace.outside[0]);
    step_ = std::max(shortest, violators > 0 ? 2.0 * step_ : step_);
    for (int trial = 0; settled && trial < 30; ++trial) {
      const ProximalPoint next(subspace, step_, lam, rank_max_, context_);
      const Balanced factors = next.factors(context_);
      const Matrix stacked = stack(factors.u, factors.v);
      const double value = objective_.value(stacked, context_);
      if (value < value_) {
        w_ = stacked;
        width_ = next.rank();
        value_ = value;
        moved = true;
        known = next.rest(context_);
        break;
      }
      if (step_ <= shortest || violators == 0) break;
      step_ = std::max(shortest, 0.5 * step_);
    }
    if (!moved) {
      balance(subspace);
      known = subspace.ritz_vectors(context_);
    }
    // As many again as there are columns: smaller blocks miss violators just above lam among those just below.
    const Index size = kSpare + std::max(settings_.first_block, width_);
    Matrix fresh = random_block(observed_.n0, size, settings_.seed, static_cast<std::uint64_t>(round_) + 1);
    const Index kept = std::min<Index>(known.cols(), moved ? size / 2 : size - kSpare);
    if (kept > 0) fresh.leftCols(kept) = known.leftCols(kept);
    if (hint_.cols() > 0) {
      const Index k = std::min(hint_.cols(), size);
      fresh.rightCols(k) = hint_.leftCols(k);
      hint_.resize(observed_.n0, 0);
    }
    block = std::move(fresh);
  }

  // U^T U = V^T V diagonal: what the preconditioner is made for. Never raises f but by rounding.
  void balance(const Subspace& subspace) {
    const Balanced factors = ProximalPoint(subspace, 0.0, objective_.lam(), width_, context_).factors(context_);
    const Matrix stacked = stack(factors.u, factors.v);
    const double value = objective_.value(stacked, context_);
    if (!(value <= value_ + kLevel * std::abs(value_))) return;
    w_ = stacked;
    width_ = factors.u.cols();
    value_ = std::min(value, value_);
  }

  static constexpr Index kSpare = 4;
  static constexpr int kSweeps = 2, kIdleSweeps = 8, kIdleRounds = 4;
  static constexpr int kStepsPerRound = 4;
  static constexpr double kForcing = 0.1, kLooseForcing = 0.5;
  static constexpr Index kProductsPerStep = 60;

  const Observed& observed_;
  Objective objective_;
  Units units_;
  const Polar& polar_;
  const SolveSettings& settings_;
  const Context& context_;
  Index rank_max_;
  Newton newton_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();

  Matrix w_;  // the point, [U; V]: always a finished one, so an interruption can happen anywhere
  Index width_ = 0;
  double value_ = 0.0, lower_bound_ = 0.0, polar_lower_ = 0.0, polar_upper_ = kInfinity, step_ = 1.0;
  Vector e_;
  Matrix known_;  // right singular directions explored last, for the polar to start from
  Matrix hint_;   // and those it gave back
  Index round_ = 0;
  std::vector<TraceRecord> trace_;
};

}  // namespace

SolveResult solve(const Observed& observed, const Loss& loss, double lam, const ConstMatrixView& u,
                  const ConstMatrixView& v, const Polar& polar, const SolveSettings& settings, const Context& context) {
  require(lam > 0.0 && std::isfinite(lam), "lam: a positive finite number expected");
  require(u.rows() == observed.n2 && v.rows() == observed.n0 && u.cols() == v.cols(),
          "start: u (n2 x r) and v (n0 x r) expected");
  require(settings.rank_max < 0 || u.cols() <= settings.rank_max, "start: at most rank_max columns expected");
  require(loss.kind != LossKind::logistic || (observed.y.array().abs() == 1.0).all(), "targets: +1 or -1 expected");
  require(loss.kind != LossKind::huber || loss.delta > 0.0, "delta: a positive number expected");
  Units units;
  const double largest = observed.entries() > 0 ? observed.y.cwiseAbs().maxCoeff() : 0.0;
  if (loss.kind != LossKind::logistic) units.y = power_of_four_near(largest);
  if (observed.entries() > 0) units.c = power_of_four_near(observed.largest_weight());
  Observed scaled = observed;
  scaled.y /= units.y;
  if (scaled.c.size() > 0) scaled.c /= units.c;
  Loss scaled_loss = loss;
  scaled_loss.delta /= units.y;
  Solver solver(scaled, scaled_loss, lam / units.y / units.c, units, polar, settings, context);
  solver.start(u / units.root(), v / units.root());
  return solver.result(solver.run());
}

}  // namespace landscape::factorization
