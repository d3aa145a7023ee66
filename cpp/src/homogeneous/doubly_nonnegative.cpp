#include "landscape/homogeneous/doubly_nonnegative.hpp"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>

#include "dnn_admm.hpp"
#include "landscape/clock.hpp"
#include "landscape/errors.hpp"
#include "landscape/linalg/cholesky.hpp"
#include "landscape/rounding.hpp"

namespace landscape::homogeneous {

namespace {

using dnn::Dense;
using dnn::product;
using dnn::product_nt;
using dnn::product_tn;
using linalg::rounding_gamma;

// What underflow can take from bounds whose scale is about 1.
constexpr double kUnderflow = 0x1.0p-480;

// a with |entries| in [1/2, 1) times 2^exponent; 0 stays 0
int exponent_of(double a) {
  int exponent = 0;
  std::frexp(a, &exponent);
  return exponent;
}

double largest_eigenvalue(const Dense& a) {
  return a.rows() == 0 ? 0.0 : Eigen::SelfAdjointEigenSolver<Dense>(a, Eigen::EigenvaluesOnly).eigenvalues().tail(1)(0);
}

double spectral_norm(const Dense& a) {
  const bool wide = a.cols() > a.rows();
  const Index n = std::min(a.rows(), a.cols());
  Dense gram(n, n);
  wide ? product_nt(1.0, a, a, 0.0, gram) : product_tn(1.0, a, a, 0.0, gram);
  return std::sqrt(std::max(0.0, largest_eigenvalue(gram)));
}

// M = G^T G + B^T N B      (d + u) x (d + u), w first
Dense quadratic_form(const dnn::Cell& c, const Dense& n) {
  const Index u = c.u, e = c.e, o = c.o, d = c.d;
  const Dense go = c.decided_outputs();
  // B = [0 I; -X_U I; sigma X_E 0; tau G_O],   W = N B
  Dense w(c.rows(), c.order()), m(c.order(), c.order());
  product(-1.0, n.middleCols(u, u), c.xu, 0.0, w.leftCols(d));
  product(1.0, n.middleCols(2 * u, e), c.xe, 1.0, w.leftCols(d));
  w.rightCols(u) = n.leftCols(u) + n.middleCols(u, u);
  product(1.0, n.rightCols(o), go, 1.0, w);
  product_tn(-1.0, c.xu, w.middleRows(u, u), 0.0, m.topRows(d));
  product_tn(1.0, c.xe, w.middleRows(2 * u, e), 1.0, m.topRows(d));
  m.bottomRows(u) = w.topRows(u) + w.middleRows(u, u);
  product_tn(1.0, go, w.bottomRows(o), 1.0, m);
  product_tn(1.0, c.g, c.g, 1.0, m);
  return 0.5 * (m + m.transpose());
}

// |fl(M) - M|_2 <= gamma (|Bbar|_F^2 |N|_F + |Gbar|_F^2) with the moduli Bbar, Gbar of B and G
double forming_error(const PolarData& data, const dnn::Cell& c, const Dense& n) {
  const double g2 = data.output_bound * data.output_bound + 4.0 * data.q.squaredNorm();
  const double b2 =
      2.0 * static_cast<double>(c.u) + c.xu.squaredNorm() + c.xe.squaredNorm() + static_cast<double>(c.o) * g2;
  const Index depth = 2 * (data.size() + c.rows()) + c.n_outputs + 32;
  return rounding_gamma(depth) * (b2 * n.norm() + g2) * 1.001 + kUnderflow;
}

// The bound as a function of a shift delta of the free multipliers: N_{h_i s_i} -= delta / 2, which adds
// delta (h_i^2 - h_i t_i) to y^T F y.
class ShiftedForm {
 public:
  ShiftedForm(const dnn::Cell& cell, const Dense& m, double slack) : c_(cell), m_(m), slack_(slack) {}

  // kappa^2 = lambda_max(M_ww + F_wh (F_hh - slack)^{-1} F_hw) + slack
  double operator()(double delta) {
    const Index d = c_.d, u = c_.u;
    schur_ = m_.topLeftCorner(d, d);
    if (u > 0) {
      gamma_ = -m_.bottomRightCorner(u, u);
      gamma_.diagonal().array() += delta - slack_;
      const Eigen::LLT<Eigen::Ref<Dense>> factor(gamma_);
      if (factor.info() != Eigen::Success) return kInfinity;
      // F_hw = -M_hw - delta / 2 X_U
      cross_ = -m_.bottomLeftCorner(u, d) - 0.5 * delta * c_.xu;
      factor.matrixL().solveInPlace(cross_);
      product_tn(1.0, cross_, cross_, 1.0, schur_);
    }
    const double value = largest_eigenvalue(schur_);
    return std::isfinite(value) ? std::max(0.0, value) + slack_ : kInfinity;
  }

 private:
  const dnn::Cell& c_;
  const Dense& m_;
  double slack_;
  Dense gamma_, cross_, schur_;
};

// The smallest value of a convex function over delta = first * factor^k, k >= 0 up to `last`; refined once.
template <class Function>
double minimise_shift(Function&& f, double first, double last) {
  constexpr double factor = 4.0;
  double best = kInfinity, at = first;
  bool falling = true;
  for (double delta = first; delta <= last && (falling || best == kInfinity); delta *= factor) {
    const double value = f(delta);
    falling = value < best || value == kInfinity;
    if (value < best) best = value, at = delta;
  }
  for (const double step : {2.0, 1.41421356, 1.18920712}) {
    for (const double delta : {at * step, at / step}) {
      const double value = f(delta);
      if (value < best) {
        best = value, at = delta;
        break;
      }
    }
  }
  return at;
}

}  // namespace

double PolarData::unscaled_up(double value) const {
  const double out = std::ldexp(value, static_cast<int>(exponent));
  return std::ldexp(out, -static_cast<int>(exponent)) == value ? out : std::nextafter(out, kInfinity);
}

double PolarData::unscaled_down(double value) const {
  const double out = std::ldexp(value, static_cast<int>(exponent));
  if (std::ldexp(out, -static_cast<int>(exponent)) == value) return out;
  return std::isfinite(out) ? std::max(0.0, std::nextafter(out, 0.0)) : std::numeric_limits<double>::max();
}

double PolarData::scaled(double value) const { return std::ldexp(value, -static_cast<int>(exponent)); }

PolarData polar_data(const ConstMatrixView& x, const ConstMatrixView& q, double slope) {
  require(x.rows() == q.rows(), "x and q must have as many rows");
  require(x.cols() >= 1 && q.cols() >= 1, "x and q must have at least one column");
  require(slope >= -1.0 && slope <= 1.0, "slope must be in [-1, 1]");
  require(x.allFinite() && q.allFinite(), "x and q must be finite");
  PolarData out;
  out.slope = slope;
  std::vector<int> of_x, of_q;
  for (Index i = 0; i < x.rows(); ++i) {
    const double xi = x.row(i).cwiseAbs().maxCoeff(), qi = q.row(i).cwiseAbs().maxCoeff();
    if (xi == 0.0 || qi == 0.0) continue;
    out.samples.push_back(i);
    of_x.push_back(exponent_of(xi));
    of_q.push_back(exponent_of(qi));
    const Index both = of_x.back() + of_q.back();
    out.exponent = out.samples.size() == 1 ? both : std::max(out.exponent, both);
  }
  const Index k = static_cast<Index>(out.samples.size());
  out.x.resize(k, x.cols());
  out.q.resize(k, q.cols());
  for (Index i = 0; i < k; ++i) {
    const auto j = static_cast<std::size_t>(i);
    for (Index c = 0; c < x.cols(); ++c) out.x(i, c) = std::ldexp(x(out.samples[j], c), -of_x[j]);
    for (Index c = 0; c < q.cols(); ++c)
      out.q(i, c) = std::ldexp(q(out.samples[j], c), of_x[j] - static_cast<int>(out.exponent));
    out.output_bound += out.x.row(i).norm() * out.q.row(i).norm();
  }
  out.output_bound *= 1.0 + 4.0 * rounding_gamma(k + x.cols() + q.cols());
  if (k > 0) {
    out.x_norm = spectral_norm(out.x);
    out.q_norm = spectral_norm(out.q);
  }
  return out;
}

double attained(const PolarData& data, const Vector& w) {
  const double length = w.stableNorm();
  if (!(length > 0.0) || !std::isfinite(length)) return 0.0;
  const Vector t = data.x * (w / length);
  const double value = (data.q.transpose() * t.cwiseMax(data.slope * t)).norm();
  const Index depth = data.size() + 2 * data.inputs() + data.outputs() + 16;
  return std::max(0.0, value * kDown - 1.01 * rounding_gamma(depth) * data.output_bound - kUnderflow);
}

CellLayout::CellLayout(const PolarData& data, const Signs& signs) {
  require(signs.size() == data.size() + data.outputs(), "signs must have one entry per sample and per output");
  if (data.slope == 1.0) return;
  for (Index i = 0; i < data.size(); ++i) (signs(i) == 0 ? undecided : decided).push_back(i);
  for (Index k = 0; k < data.outputs(); ++k)
    if (signs(data.size() + k) != 0) outputs.push_back(k);
}

double dnn_upper(const PolarData& data, const Signs& signs, FloatMatrix& multipliers) {
  if (data.size() == 0) return 0.0;
  const dnn::Cell cell(data, signs);
  const Index u = cell.u, order = cell.order();
  require(multipliers.rows() == cell.rows() && multipliers.cols() == cell.rows(),
          "multipliers must be of the order of the cell");
  // N <- symmetric part, >= 0 but for the (h_i, s_i); what is stored is what is proved
  Dense n = multipliers.cast<double>();
  n = (0.5 * (n + n.transpose())).eval();
  const Vector free = n.diagonal(u).head(u);
  n = n.cwiseMax(0.0);
  n.diagonal(u).head(u) = free;
  n.diagonal(-u).head(u) = free;
  if (!n.allFinite()) return kInfinity;
  n = n.cast<float>().cast<double>().eval();

  Dense m = quadratic_form(cell, n);
  double slack = 4.0 * forming_error(data, cell, n) + linalg::cholesky_margin(order, 4.0 * std::abs(m.trace()) + 4.0);
  if (u > 0) {
    const double size = std::max(m.bottomRightCorner(u, u).diagonal().cwiseAbs().maxCoeff(), data.q_norm * data.q_norm);
    const double first = std::max(1e-7 * size, 4.0 * slack);
    const double delta = minimise_shift(ShiftedForm(cell, m, slack), first, 64.0 * static_cast<double>(order) * size);
    n.diagonal(u).head(u).array() -= 0.5 * delta;
    n = n.cast<float>().cast<double>().eval();
    n.diagonal(-u).head(u) = n.diagonal(u).head(u);
    m = quadratic_form(cell, n);
  }
  multipliers = n.cast<float>();
  const double error = forming_error(data, cell, n);
  // F = kappa^2 diag(I, 0) - M: its Cholesky with margin
  double squared = ShiftedForm(cell, m, slack)(0.0);
  for (int attempt = 0; attempt < 12 && squared < kInfinity; ++attempt) {
    Matrix f = -m;
    f.diagonal().head(cell.d).array() += squared;
    const double trace = f.diagonal().cwiseAbs().sum();
    const double margin =
        (linalg::cholesky_margin(order, trace) + error + 4.0 * kUnitRoundoff * (squared + trace)) * 1.001;
    f.diagonal().array() -= margin;
    if (linalg::cholesky(f, Context{})) return std::sqrt(squared) * kUp + kUnderflow;
    squared += slack * std::pow(4.0, attempt);
  }
  return kInfinity;
}

namespace {

// Monotone ascent along g = X^T D Q Q^T act(X w): long steps first, which are power steps, then shorter ones.
double climb(const PolarData& data, Vector& w) {
  double best = attained(data, w), step = 8.0;
  for (int k = 0; k < 100 && step > 1e-7; ++k) {
    const Vector t = data.x * w;
    const Vector r = data.q.transpose() * t.cwiseMax(data.slope * t);
    Vector g = data.q * r;
    for (Index i = 0; i < g.size(); ++i)
      if (t(i) < 0.0) g(i) *= data.slope;
    Vector direction = data.x.transpose() * g;
    const double length = direction.norm();
    if (!(length > 0.0)) break;
    direction /= length;
    double value = 0.0;
    for (; step > 1e-7; step *= 0.25) {
      const Vector next = (w + step * direction).normalized();
      value = attained(data, next);
      if (value > best * (1.0 + 1e-13)) {
        w = next;
        best = value;
        step = std::min(8.0, 4.0 * step);
        break;
      }
    }
  }
  return best;
}

// Position in the parent's z of each entry of the child's z; -1 where it had none.
std::vector<Index> positions(const PolarData& data, const Signs& parent, const Signs& child) {
  const CellLayout from(data, parent), to(data, child);
  const Index m = data.size(), none = -1, u = static_cast<Index>(from.undecided.size());
  std::vector<Index> plus(static_cast<std::size_t>(m + data.outputs()), none), minus = plus, out;
  Index row = 0;
  for (Index i : from.undecided)
    plus[static_cast<std::size_t>(i)] = row, minus[static_cast<std::size_t>(i)] = row + u, ++row;
  row = 2 * u;
  for (Index i : from.decided) plus[static_cast<std::size_t>(i)] = minus[static_cast<std::size_t>(i)] = row++;
  for (Index k : from.outputs) plus[static_cast<std::size_t>(m + k)] = row++;
  for (Index i : to.undecided) out.push_back(plus[static_cast<std::size_t>(i)]);
  for (Index i : to.undecided) out.push_back(minus[static_cast<std::size_t>(i)]);
  for (Index i : to.decided) out.push_back((child(i) > 0 ? plus : minus)[static_cast<std::size_t>(i)]);
  for (Index k : to.outputs) out.push_back(plus[static_cast<std::size_t>(m + k)]);
  return out;
}

FloatMatrix restricted(const FloatMatrix& a, const std::vector<Index>& positions) {
  const Index n = static_cast<Index>(positions.size());
  FloatMatrix out = FloatMatrix::Zero(n, n);
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < n; ++j) {
      const Index r = positions[static_cast<std::size_t>(i)], c = positions[static_cast<std::size_t>(j)];
      if (r >= 0 && c >= 0) out(i, j) = a(r, c);
    }
  return out;
}

}  // namespace

DnnBound dnn_bound(const PolarData& data, const Signs& signs, const DnnSettings& settings, const Signs* parent_signs,
                   const DnnBound* parent, const Context& context) {
  const CellLayout layout(data, signs);
  DnnBound out;
  out.direction = Vector::Unit(data.inputs(), 0);
  out.scores = Vector::Zero(data.size() + data.outputs());
  out.multipliers = FloatMatrix::Zero(layout.size(), layout.size());
  if (data.size() == 0) {
    out.upper = 0.0;
    return out;
  }
  Dense t;
  double rho = 0.0;
  if (parent != nullptr && parent_signs != nullptr) {
    const std::vector<Index> rows = positions(data, *parent_signs, signs);
    out.multipliers = restricted(parent->multipliers, rows);
    if (parent->state.rho > 0.0) t = restricted(parent->state.t, rows).cast<double>(), rho = parent->state.rho;
  }
  out.upper = dnn_upper(data, signs, out.multipliers);
  if (data.slope == 1.0) {  // the spectral norm: its direction is the leading eigenvector
    const Dense m = quadratic_form(dnn::Cell(data, signs), Dense());
    Vector w = Eigen::SelfAdjointEigenSolver<Dense>(m).eigenvectors().rightCols(1);
    out.lower = climb(data, w);
    out.direction = w;
    return out;
  }
  if (out.upper <= settings.enough || settings.max_iterations == 0) return out;

  dnn::Admm admm(data, signs);
  admm.start(t, rho, settings.penalty);
  double gained = kInfinity;  // by one of the last two evaluations
  while (out.iterations < settings.max_iterations) {
    for (Index k = 0; k < settings.evaluate_every; k += 5) {
      context.check();
      admm.iterate(5);
    }
    out.iterations += settings.evaluate_every;
    FloatMatrix multipliers = admm.multipliers();
    const double upper = dnn_upper(data, signs, multipliers), before = out.upper;
    if (upper < out.upper) {
      out.upper = upper;
      out.multipliers.swap(multipliers);
    }
    if (out.upper <= settings.enough || seconds_now() > settings.deadline) break;
    const double rate = std::max(gained, before - out.upper);
    gained = before - out.upper;
    if (out.iterations >= settings.min_iterations && out.upper - settings.enough > settings.patience * rate) break;
    admm.balance();
  }
  out.scores = admm.scores(data);
  const Dense candidates = admm.directions(3);
  for (Index k = 0; k < candidates.cols(); ++k)
    for (const double sign : {1.0, -1.0}) {
      const double length = candidates.col(k).norm();
      if (!(length > 0.0) || !std::isfinite(length)) continue;
      Vector w = candidates.col(k) * (sign / length);
      const double value = climb(data, w);
      if (value > out.lower) out.lower = value, out.direction = w;
    }
  out.state.t = admm.t().cast<float>();
  out.state.rho = admm.rho();
  return out;
}

}  // namespace landscape::homogeneous
