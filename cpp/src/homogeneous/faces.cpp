#include "landscape/homogeneous/faces.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <numeric>
#include <vector>

#include "arrangement.hpp"
#include "landscape/errors.hpp"
#include "landscape/parallel.hpp"
#include "plane_sweep.hpp"
#include "scaled.hpp"

namespace landscape::homogeneous {

namespace {

// C(n, k)
Index binomial(Index n, Index k) {
  if (n < k) return 0;
  Index result = 1;
  for (Index i = 0; i < k; ++i) result = result * (n - i) / (i + 1);
  return result;
}

// The k-subsets of 0..n-1 in lexicographic order
template <std::size_t K>
std::array<Index, K> subset(Index n, Index rank) {
  std::array<Index, K> t{};
  Index from = 0;
  for (std::size_t i = 0; i < K; ++i) {
    for (;; ++from) {
      const Index with_it = binomial(n - from - 1, static_cast<Index>(K - i - 1));
      if (rank < with_it) break;
      rank -= with_it;
    }
    t[i] = from++;
  }
  return t;
}

template <std::size_t K>
void advance(std::array<Index, K>& t, Index n) {
  std::size_t i = K;
  while (i > 0 && t[i - 1] == n - static_cast<Index>(K - i) - 1) --i;
  if (i == 0) return;
  ++t[i - 1];
  for (; i < K; ++i) t[i] = t[i - 1] + 1;
}

// The largest first, then every one far enough from those taken.
std::vector<LocalMaximum> thinned(std::vector<LocalMaximum> maxima, const FacesSettings& settings) {
  std::stable_sort(maxima.begin(), maxima.end(),
                   [](const LocalMaximum& a, const LocalMaximum& b) { return a.value > b.value; });
  const double chord = std::max(1e-12, 2.0 * std::sin(0.5 * std::clamp(settings.separation, 0.0, 3.14159265358979)));
  std::vector<LocalMaximum> taken;
  for (LocalMaximum& maximum : maxima) {
    if (static_cast<Index>(taken.size()) >= settings.count) break;
    const bool near = std::any_of(taken.begin(), taken.end(),
                                  [&](const LocalMaximum& t) { return (t.w - maximum.w).norm() < chord; });
    if (!near) taken.push_back(std::move(maximum));
  }
  return taken;
}

// w <- (w + eta g) / |w + eta g|, eta from infinity and cut back until f does not decrease (THEORY 7.4), from
// +-x_i / |x_i| of the largest |q_i| |x_i| and the right singular vectors of Q^T X.
LocalMaximum ascend(const ScaledUnits& units, const Context& context) {
  constexpr Index samples = 8, iterations = 60;
  const Index m = units.x.rows(), d = units.x.cols();
  const Vector weights = units.q.rowwise().norm().cwiseProduct(units.x.rowwise().norm());
  std::vector<Index> largest(static_cast<std::size_t>(m));
  std::iota(largest.begin(), largest.end(), Index{0});
  const Index few = std::min(samples, m);
  std::partial_sort(largest.begin(), largest.begin() + few, largest.end(),
                    [&](Index i, Index j) { return weights(i) != weights(j) ? weights(i) > weights(j) : i < j; });
  std::vector<Vector> starts;
  const Eigen::MatrixXd product = units.q.transpose() * units.x;
  Eigen::MatrixXd form = product.transpose() * product;
  for (Index c = 0; c < 2; ++c) {  // two singular vectors, by deflation
    Vector v(d);
    const LeadingPair pair = leading_pair(form.data(), d, v.data());
    form -= pair.l1 * v * v.transpose();
    starts.push_back(v);
  }
  for (Index k = 0; k < few; ++k) starts.push_back(units.x.row(largest[static_cast<std::size_t>(k)]).normalized());

  std::vector<LocalMaximum> ends(2 * starts.size());
  parallel_for(static_cast<Index>(ends.size()), context, [&](Index s, int) {
    ScaledUnits::Workspace space;
    Vector w = (s % 2 == 0 ? 1.0 : -1.0) * starts[static_cast<std::size_t>(s / 2)], gradient, next, next_gradient;
    double value = units.value(w, space, &gradient);
    for (Index i = 0; i < iterations; ++i) {
      const double length = gradient.norm();
      if (!(length > 0.0)) break;
      double gained = 0.0;
      next = gradient / length;
      for (double eta = 4.0; eta > 1e-3; eta *= 0.25) {
        const double there = units.value(next, space, &next_gradient);
        if (there > value) {
          gained = there - value;
          value = there;
          w = next;
          gradient.swap(next_gradient);
          break;
        }
        next = (w + eta * gradient / length).normalized();
      }
      if (!(gained > 1e-9 * value)) break;
    }
    ends[static_cast<std::size_t>(s)] = {value, w};
  });
  LocalMaximum best{-1.0, Vector::Unit(d, 0)};
  for (const LocalMaximum& end : ends)
    if (end.value > best.value) best = end;
  return best;
}

template <int D, int Outputs>
class Enumeration {
 public:
  Enumeration(const ScaledUnits& units, const Arrangement& arrangement, const FacesSettings& settings,
              const Context& context)
      : units_(units), a_(arrangement), settings_(settings), context_(context) {}

  // Rounds of blocks of planes: inside a block only what earlier rounds and the block itself found raises the gate, so
  // nothing depends on the number of threads.
  bool run(double threshold, double known, Harvest& all) const {
    constexpr Index block = 8, first_round = 2, longest_round = 1024;
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    const auto expired = [&] {
      return std::chrono::duration<double>(Clock::now() - begin).count() > settings_.max_seconds;
    };
    const Index planes = binomial(a_.size, D - 2), blocks = (planes + block - 1) / block;
    std::vector<PlaneSweep<D, Outputs>> sweeps;
    for (int i = 0; i < std::max(1, context_.n_threads); ++i) sweeps.emplace_back(units_, a_, threshold);
    std::vector<Harvest> harvests;
    std::atomic<bool> late{false};
    for (Index done = 0, round = first_round; done < blocks && !late;
         done += round, round = std::min(2 * round, longest_round)) {
      round = std::min(round, blocks - done);
      const double attained = std::max(known, all.best.value);
      harvests.assign(static_cast<std::size_t>(round), Harvest{});
      parallel_for(round, context_, [&](Index i, int thread) {
        if (late || expired()) {
          late = true;
          return;
        }
        const Index from = (done + i) * block, to = std::min(planes, from + block);
        auto& sweep = sweeps[static_cast<std::size_t>(thread)];
        sweep.begin(attained, harvests[static_cast<std::size_t>(i)]);
        auto t = subset<D - 2>(a_.size, from);
        for (Index p = from; p < to; ++p, advance(t, a_.size)) sweep.run(t);
      });
      for (Harvest& harvest : harvests) {
        if (harvest.best.value > all.best.value) all.best = harvest.best;
        all.upper = std::max(all.upper, harvest.upper);
        all.gap = std::max(all.gap, harvest.gap);
        all.planes += harvest.planes;
        all.pieces += harvest.pieces;
        all.evaluations += harvest.evaluations;
        for (LocalMaximum& maximum : harvest.maxima) all.maxima.push_back(std::move(maximum));
      }
      if (all.maxima.size() > 1024) all.maxima = thinned(std::move(all.maxima), settings_);
    }
    return !late;
  }

 private:
  const ScaledUnits& units_;
  const Arrangement& a_;
  const FacesSettings& settings_;
  const Context& context_;
};

bool enumerate(const ScaledUnits& units, const Arrangement& a, const FacesSettings& settings, double threshold,
               double known, Harvest& all, const Context& context) {
  const auto run = [&](auto dimension) {
    constexpr int D = decltype(dimension)::value;
    if (a.outputs == 1) return Enumeration<D, 1>(units, a, settings, context).run(threshold, known, all);
    return Enumeration<D, Eigen::Dynamic>(units, a, settings, context).run(threshold, known, all);
  };
  if (a.dimension == 3) return run(std::integral_constant<int, 3>());
  if (a.dimension == 4) return run(std::integral_constant<int, 4>());
  return run(std::integral_constant<int, 5>());
}

}  // namespace

FacesResult faces(const ConstMatrixView& x, const ConstMatrixView& q, double slope, const FacesSettings& settings,
                  const Context& context) {
  const Index d = x.cols();
  require(d <= 5, "X must have at most 5 columns");
  require(slope >= -1.0 && slope <= 1.0, "slope must be between -1 and 1");
  require(settings.known >= 0.0, "known must not be negative");
  const ScaledUnits units(x, q, slope);
  FacesResult result;
  result.direction = Vector::Unit(d, 0);
  if (units.x.rows() == 0) {  // f = 0
    result.upper = 0.0;
    result.complete = true;
    result.maximizers.directions.resize(0, d);
    return result;
  }

  Harvest all;
  all.best = ascend(units, context);
  if (std::ldexp(all.best.value, units.exponent) >= settings.threshold) all.maxima.push_back(all.best);
  const Arrangement arrangement(units, all.best.w);
  const double known = std::ldexp(settings.known, -units.exponent);
  const double threshold = std::ldexp(settings.threshold, -units.exponent);
  result.complete = enumerate(units, arrangement, settings, threshold, known, all, context);
  if (!result.complete) result.reason = "max_seconds";
  result.circles = all.planes;
  result.arcs = all.pieces;
  result.evaluations = all.evaluations;

  // X may have been padded by columns of zeros.
  const auto direction = [&](const Vector& w) -> Vector {
    const Vector head = w.head(d);
    const double length = head.norm();
    return length > 0.0 ? Vector(head / length) : Vector(Vector::Unit(d, 0));
  };
  result.direction = direction(all.best.w);
  Vector padded = Vector::Zero(arrangement.dimension);
  padded.head(d) = result.direction;
  result.lower = unscaled_lower(units.lower(padded), units.exponent);
  if (result.complete) {
    const double u = std::max({all.best.value, all.upper, known});
    const double dimension = static_cast<double>(arrangement.dimension);
    // A^T A, its Cholesky factor and a handful of roundings
    const double relative = (dimension * (dimension + 2.0 + static_cast<double>(q.cols())) + 32.0) * kUnitRoundoff;
    const double bound = std::sqrt(u * u + (dimension - 1.0) * all.gap) * (1.0 + relative) + arrangement.error +
                         units.dropped + 0x1.0p-900;
    result.upper = std::max(result.lower, unscaled_upper(bound, units.exponent));
  }
  const std::vector<LocalMaximum> maxima = thinned(std::move(all.maxima), settings);
  const Index k = static_cast<Index>(maxima.size());
  result.maximizers = {Matrix(k, d), Vector(k)};
  for (Index i = 0; i < k; ++i) {
    const LocalMaximum& maximum = maxima[static_cast<std::size_t>(i)];
    result.maximizers.directions.row(i) = direction(maximum.w);
    result.maximizers.values(i) = std::ldexp(maximum.value, units.exponent);
  }
  return result;
}

}  // namespace landscape::homogeneous
