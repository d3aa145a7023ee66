#include "landscape/homogeneous/group_lasso.hpp"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <vector>

#include "balanced_intercept.hpp"
#include "landscape/errors.hpp"
#include "landscape/linalg/products.hpp"
#include "landscape/parallel.hpp"
#include "landscape/rounding.hpp"
#include "lasso_columns.hpp"
#include "lasso_losses.hpp"
#include "quadratic_group_lasso.hpp"

namespace landscape::homogeneous {

namespace {

constexpr double kProgress = 1e-6;  // relative decrease of the value that is worth a round
constexpr Index kIdleRounds = 20;   // without progress of value or gap
constexpr Index kNewtonSteps = 6;   // of one round
constexpr Index kFirstSet = 24;     // units of the first working set

double power_of_two_near(double x) {
  return x > 0.0 && std::isfinite(x) ? std::ldexp(1.0, static_cast<int>(std::lround(std::log2(x)))) : 1.0;
}

class GroupLasso {
 public:
  GroupLasso(const ConstMatrixView& h, const ConstMatrixView& y, const Loss& loss, double lam, bool intercept,
             const GroupLassoSettings& settings, const Context& context)
      : h_(h),
        loss_(loss),
        intercept_(intercept),
        settings_(settings),
        context_(context),
        m_(h.rows()),
        k_(h.cols()),
        n_(y.cols()),
        h_scale_(1.0 / power_of_two_near(largest(h))),
        y_scale_(scalable() ? 1.0 / power_of_two_near(largest(y)) : 1.0),
        y_(y * y_scale_),
        lam_(lam * y_scale_ * h_scale_),
        columns_(h_, h_scale_, intercept) {
    loss_.delta *= y_scale_;
    // Gram products without a BLAS: the same bits for every number of threads
    context_.blas = nullptr;
    c_.setZero(k_, n_);
    b_.setZero(n_);
    if (settings.offset.size() > 0) b_ = settings.offset * y_scale_;
    z_.setZero(m_, n_);
    e_.resize(m_, n_);
    second_.resize(m_, n_);
    g_.resize(k_, n_);
  }

  void start(const ConstMatrixView& c) {
    if (c.size() > 0) c_ = c * (y_scale_ / h_scale_);
    columns_.add(support(), quadratic(), context_);
    outputs();
  }

  GroupLassoResult run() {
    double lower = 0.0, best_gap = kInfinity, last = kInfinity;
    // values below it are zero
    const double floor = kUnitRoundoff * evaluate(b_.transpose().replicate(m_, 1), nullptr);
    Matrix last_c;
    Vector last_b;
    Index idle = 0, round = 0;
    GroupLassoResult result;
    for (;; ++round) {
      context_.check();
      if (intercept_) balanced_ = balance_intercept(loss_, y_, z_, e_, b_);
      loss_value_ = evaluate(z_, &e_);
      value_ = loss_value_ + lam_ * penalty(c_);
      if (!(value_ <= last * (1.0 + 1e-12))) {  // the models descend; only rounding can fail them
        c_.swap(last_c);
        b_.swap(last_b);
        value_ = last;
        break;
      }
      gradient();
      lower = std::max(lower, value_ - gap());
      const double relative = value_ > 0.0 ? (value_ - lower) / std::max(value_, floor) : 0.0;
      result.converged = relative <= settings_.tolerance || value_ <= floor;
      idle = relative < 0.9 * best_gap || value_ < last * (1.0 - kProgress) ? 0 : idle + 1;
      best_gap = std::min(best_gap, relative);
      if (result.converged || round >= settings_.max_iterations || idle > kIdleRounds) break;
      last = value_;
      last_c = c_;
      last_b = b_;
      improve(relative);
    }
    result.iterations = round;
    result.value = value_ / y_scale_ / y_scale_;
    result.gap = std::max(0.0, value_ - lower) / y_scale_ / y_scale_;
    for (Index j = 0; j < k_; ++j)
      if (intercept_ && !c_.row(j).isZero(0.0)) b_ -= columns_.mean(j) * c_.row(j).transpose();
    result.intercept = b_ / y_scale_;
    result.c = c_ * (h_scale_ / y_scale_);
    return result;
  }

 private:
  bool scalable() const { return loss_.kind == LossKind::squared || loss_.kind == LossKind::huber; }
  bool quadratic() const { return loss_.kind == LossKind::squared; }

  double largest(const ConstMatrixView& a) const {
    std::vector<double> top(static_cast<std::size_t>((a.rows() + kChunk - 1) / kChunk), 0.0);
    over_rows(a.rows(), kChunk, context_, [&](Index first, Index rows, Index part) {
      for (Index i = first; i < first + rows && a.cols() > 0; ++i)
        top[static_cast<std::size_t>(part)] =
            std::max(top[static_cast<std::size_t>(part)], a.row(i).cwiseAbs().maxCoeff());
    });
    return top.empty() ? 0.0 : *std::max_element(top.begin(), top.end());
  }

  static double penalty(const Matrix& c) {
    double sum = 0.0;
    for (Index j = 0; j < c.rows(); ++j) sum += c.row(j).norm();
    return sum;
  }

  std::vector<Index> support() const {
    std::vector<Index> units;
    for (Index j = 0; j < k_; ++j)
      if (!c_.row(j).isZero(0.0)) units.push_back(j);
    return units;
  }

  // sum of body(loss, row) over the rows, in an order that depends on m alone
  template <class Body>
  double sum_rows(Body&& body) const {
    std::vector<double> sums(static_cast<std::size_t>((m_ + kChunk - 1) / kChunk), 0.0);
    with_loss(loss_, [&](const auto& loss) {
      over_rows(m_, kChunk, context_, [&](Index first, Index rows, Index part) {
        double sum = 0.0;
        for (Index i = first; i < first + rows; ++i) sum += body(loss, i);
        sums[static_cast<std::size_t>(part)] = sum;
      });
    });
    double total = 0.0;
    for (const double sum : sums) total += sum;
    return total;
  }

  double evaluate(const Matrix& z, Matrix* e) const {
    return sum_rows([&](const auto& loss, Index i) {
      return e == nullptr ? loss.value(&z(i, 0), &y_(i, 0), n_) : loss.gradient(&z(i, 0), &y_(i, 0), n_, &(*e)(i, 0));
    });
  }

  // Z <- X C + 1 b^T
  void outputs() {
    spread_.setZero(columns_.count(), n_);
    for (Index j = 0; j < k_; ++j)
      if (columns_.slot(j) >= 0) spread_.row(columns_.slot(j)) = c_.row(j);
    product(columns_.x(), spread_, z_);
    z_.rowwise() += b_.transpose();
  }

  void product(const ConstMatrixView& x, const Matrix& c, Matrix& out) {
    if (x.cols() == 0)
      out.setZero();
    else if (n_ == 1)
      over_rows(m_, kChunk, context_, [&](Index first, Index rows, Index) {
        out.middleRows(first, rows).noalias() = x.middleRows(first, rows) * c.col(0);
      });
    else if (n_ <= linalg::kSkinnyColumns)
      linalg::multiply_skinny(x, c, out, pack_, context_);
    else
      linalg::multiply(x, c, out, context_);
  }

  // G <- H^T E, streaming H once: rows in parts that depend on m alone, a stretch of the accumulators in the first
  // cache
  void gradient() {
    if (n_ > linalg::kSkinnyColumns) {
      linalg::multiply_transposed(h_, e_, g_, context_);
    } else {
      const Index part_rows = std::max<Index>(128, (m_ + 63) / 64), parts = (m_ + part_rows - 1) / part_rows;
      const Index stretch = std::max<Index>(128, 2048 / n_ / 16 * 16);
      partial_.resize(parts * n_, k_);
      parallel_for(parts, context_, [&](Index part, int) {
        auto sums = partial_.middleRows(part * n_, n_);
        sums.setZero();
        const Index end = std::min(m_, (part + 1) * part_rows);
        for (Index j = 0; j < k_; j += stretch) {
          const Index width = std::min(stretch, k_ - j);
          Index i = part * part_rows;
          for (; i + 4 <= end; i += 4) {
            const auto rows = h_.block(i, j, 4, width);
            for (Index o = 0; o < n_; ++o)
              sums.row(o).segment(j, width) += (e_(i, o) * rows.row(0) + e_(i + 1, o) * rows.row(1)) +
                                               (e_(i + 2, o) * rows.row(2) + e_(i + 3, o) * rows.row(3));
          }
          for (; i < end; ++i)
            for (Index o = 0; o < n_; ++o) sums.row(o).segment(j, width) += e_(i, o) * h_.row(i).segment(j, width);
        }
      });
      for (Index part = 1; part < parts; ++part) partial_.topRows(n_) += partial_.middleRows(part * n_, n_);
      g_ = partial_.topRows(n_).transpose();
    }
    g_ *= h_scale_;
  }

  // A bound on P - P* from the current z, e and g. Without sum_i e_i = 0 only the zero dual point is feasible.
  double gap() {
    length_ = g_.rowwise().norm();
    const double polar = k_ > 0 ? length_.maxCoeff() : 0.0;
    double s = polar > lam_ ? lam_ / polar : 1.0, fit = 0.0;
    for (Index j = 0; j < k_; ++j) fit -= g_.row(j).dot(c_.row(j));
    if (quadratic()) {
      const double reach = polar > 0.0 ? lam_ / polar : kInfinity, squared = e_.squaredNorm();
      // the minimiser of (1 - s)^2 / 2 |E|^2 - s fit
      s = squared > 0.0 ? std::clamp(1.0 + fit / squared, 0.0, reach) : 1.0;
    }
    if (intercept_ && !balanced_) s = 0.0;
    return sum_rows([&](const auto& loss, Index i) { return excess(loss, &z_(i, 0), &y_(i, 0), n_, s); }) +
           std::max(0.0, lam_ * penalty(c_) - s * fit);
  }

  void improve(double relative);
  std::vector<Index> working_set() const;

  struct Weighted {
    Matrix x, gram;             // m x w, w x w
    Eigen::RowVectorXd centre;  // w
    double total = 0.0;         // sum of the weights
  };
  Weighted weighted_gram(const std::vector<Index>& set);
  double advance(const std::vector<Index>& set, const Matrix& d, const Vector& beta);
  double newton(double relative);

  const ConstMatrixView& h_;
  Loss loss_;
  bool intercept_;
  const GroupLassoSettings& settings_;
  Context context_;
  Index m_, k_, n_;
  double h_scale_, y_scale_;
  Matrix y_;
  double lam_;
  Columns columns_;
  Matrix c_, z_, e_, g_;
  Vector b_, length_, pack_;
  Matrix spread_, partial_;
  Matrix second_;
  double value_ = 0.0, loss_value_ = 0.0;
  double damping_ = 1.0, damp_ = 0.0;  // added to every weight: damp_ = damping_ min(1e-2, relative gap)
  bool balanced_ = true;
};

// The support, and of the units with |G_j| > lam those of largest |G_j|, about as many as there are in the support.
std::vector<Index> GroupLasso::working_set() const {
  std::vector<Index> set = support(), others;
  for (Index j = 0; j < k_; ++j)
    if (length_(j) > lam_ && c_.row(j).isZero(0.0)) others.push_back(j);
  const std::size_t room = std::max(static_cast<std::size_t>(kFirstSet), set.size());
  if (others.size() > room) {
    std::nth_element(others.begin(), others.begin() + static_cast<std::ptrdiff_t>(room), others.end(),
                     [&](Index a, Index b) { return length_(a) > length_(b) || (length_(a) == length_(b) && a < b); });
    others.resize(room);
  }
  set.insert(set.end(), others.begin(), others.end());
  std::sort(set.begin(), set.end());
  return set;
}

// The minimiser of the penalised quadratic model on the working set, or for a loss that is not quadratic a step to it.
void GroupLasso::improve(double relative) {
  const std::vector<Index> set = working_set();
  const Index w = static_cast<Index>(set.size());
  columns_.add(set, quadratic(), context_);
  Matrix c(w, n_), g(n_, w);
  for (Index a = 0; a < w; ++a) {
    c.row(a) = c_.row(set[a]);
    g.col(a) = g_.row(set[a]).transpose();
  }
  if (quadratic()) {
    Matrix q(w, w);
    for (Index a = 0; a < w; ++a)
      for (Index b = 0; b < w; ++b) q(a, b) = columns_.gram()(columns_.slot(set[a]), columns_.slot(set[b]));
    QuadraticGroupLasso(q, lam_, c, g, context_).minimise(std::max(0.2 * settings_.tolerance, 1e-3 * relative));
    for (Index a = 0; a < w; ++a) c_.row(set[a]) = c.row(a);
    outputs();
    return;
  }
  damp_ = damping_ * std::min(1e-2, relative);
  const Weighted model = weighted_gram(set);
  const Matrix old = c;
  QuadraticGroupLasso(model.gram, lam_, c, g, context_).minimise(std::max(0.2 * settings_.tolerance, 0.1 * relative));
  const Matrix d = c - old;
  const double t = advance(set, d, -(model.centre * d).transpose());  // sum_i e_i = 0
  damping_ = t == 1.0 ? std::max(1e-3, damping_ / 4.0) : std::min(1e6, damping_ * 8.0);
  // As long as Newton steps on the support gain more than they have to, they are cheaper than another round.
  double gained = kInfinity;
  for (Index steps = 0; n_ > 1 && steps < kNewtonSteps; ++steps) {
    const double gain = newton(relative);
    if (!(gain > 0.1 * gained) && gained < kInfinity) break;
    if (!(gain > kFineLevel * value_)) break;
    gained = gain;
  }
}

// Q <- sum_i w_i (x_i - centre)(x_i - centre)^T over the columns of the set, w_i >= the second derivatives in row i
GroupLasso::Weighted GroupLasso::weighted_gram(const std::vector<Index>& set) {
  const Index w = static_cast<Index>(set.size());
  Weighted model;
  Vector weights(m_);
  sum_rows([&](const auto& loss, Index i) {
    weights(i) = row_weight(loss, &z_(i, 0), &y_(i, 0), n_) + damp_;
    return 0.0;
  });
  model.total = weights.sum();
  model.x.resize(m_, w);
  columns_.gather(set, model.x, context_);
  model.centre.setZero(w);
  Matrix a = model.x;
  if (intercept_) {
    model.centre = weights.transpose() * a / model.total;
    a.rowwise() -= model.centre;
  }
  a = weights.cwiseSqrt().asDiagonal() * a;
  model.gram.setZero(w, w);
  linalg::accumulate_gram(a, model.gram, context_);
  model.gram.triangularView<Eigen::StrictlyUpper>() = model.gram.transpose();
  return model;
}

// C <- C + t D, b <- b + t beta with t = 1, 1/2, ... until the value does not grow; returns t, or 0 if none was found.
double GroupLasso::advance(const std::vector<Index>& set, const Matrix& d, const Vector& beta) {
  const Index w = static_cast<Index>(set.size());
  spread_.setZero(columns_.count(), n_);
  Matrix old(w, n_);
  for (Index a = 0; a < w; ++a) {
    spread_.row(columns_.slot(set[a])) = d.row(a);
    old.row(a) = c_.row(set[a]);
  }
  Matrix dz(m_, n_), trial(m_, n_);
  product(columns_.x(), spread_, dz);
  dz.rowwise() += beta.transpose();
  const double before = penalty(old);
  for (double t = 1.0; t > 1e-10; t *= 0.5) {
    trial = z_ + t * dz;
    const double loss = evaluate(trial, nullptr);
    const double change = (loss - loss_value_) + lam_ * (penalty(old + t * d) - before);
    if (!(change <= kFineLevel * value_)) continue;
    loss_value_ = loss;
    value_ += change;
    z_.swap(trial);
    b_ += t * beta;
    for (Index a = 0; a < w; ++a) c_.row(set[a]) = old.row(a) + t * d.row(a);
    return t;
  }
  return 0.0;
}

// A Newton step on the support, for losses whose second derivatives couple the outputs or differ among them: conjugate
// gradients, with the weighted model as preconditioner. Rows that the step takes past zero are set to zero where that
// helps. Returns the decrease of the value.
double GroupLasso::newton(double relative) {
  const std::vector<Index> set = support();
  const Index s = static_cast<Index>(set.size());
  if (s == 0) return 0.0;
  Weighted model = weighted_gram(set);
  Matrix c(s, n_), unit(s, n_);
  for (Index a = 0; a < s; ++a) c.row(a) = c_.row(set[a]);
  const Vector bend = lam_ * c.rowwise().norm().cwiseInverse();
  unit = c.rowwise().normalized();
  SupportNewton preconditioner;
  if (!preconditioner.factor(model.gram, c, lam_)) return 0.0;
  loss_value_ = evaluate(z_, &e_);
  value_ = loss_value_ + lam_ * penalty(c);

  // The last row of each s + 1 is that of the intercept.
  Matrix r(s + 1, n_), x = Matrix::Zero(s + 1, n_), p, q(s + 1, n_), v, dz(m_, n_), image(s, n_);
  linalg::multiply_transposed(model.x, e_, image, context_);
  r.topRows(s) = -image - lam_ * unit;
  r.row(s) = -e_.colwise().sum() * (intercept_ ? 1.0 : 0.0);
  const auto precondition = [&] {
    Matrix top = r.topRows(s) - model.centre.transpose() * r.row(s);
    preconditioner.solve(top);
    v.resize(s + 1, n_);
    v.topRows(s) = top;
    v.row(s) = r.row(s) / model.total - model.centre * top;
    if (!intercept_) v.row(s).setZero();
  };
  precondition();
  p = v;
  double rv = r.cwiseProduct(v).sum();
  const double target = rv * std::min(1e-2, relative) * 1e-2;
  constexpr Index max_products = 100;
  for (Index products = 0; products < max_products && rv > target; ++products) {
    context_.check();
    product(model.x, p.topRows(s), dz);
    dz.rowwise() += p.row(s);
    sum_rows([&](const auto& loss, Index i) {
      double* row = &dz(i, 0);
      double* out = &second_(i, 0);
      loss.curvature(&z_(i, 0), &y_(i, 0), n_, row, out);
      for (Index o = 0; o < n_; ++o) out[o] += damp_ * row[o];
      return 0.0;
    });
    linalg::multiply_transposed(model.x, second_, image, context_);
    const Vector radial = p.topRows(s).cwiseProduct(unit).rowwise().sum();
    q.topRows(s) = image + bend.asDiagonal() * (p.topRows(s) - radial.asDiagonal() * unit);
    q.row(s) = second_.colwise().sum() * (intercept_ ? 1.0 : 0.0);
    const double curvature = p.cwiseProduct(q).sum();
    if (!(curvature > 0.0)) break;
    const double t = rv / curvature;
    x += t * p;
    r -= t * q;
    precondition();
    const double next = r.cwiseProduct(v).sum();
    if (!(next > 0.0)) break;
    p = v + (next / rv) * p;
    rv = next;
  }
  if (!x.allFinite()) return 0.0;
  const double before = value_;
  Matrix d = x.topRows(s);
  bool clamped = false;
  for (Index a = 0; a < s; ++a) {
    const double along = -c.row(a).dot(d.row(a));
    if (along < 0.9 * c.row(a).squaredNorm()) continue;
    d.row(a) = -c.row(a);
    clamped = true;
  }
  const Vector beta = x.row(s).transpose();
  if (!(clamped && advance(set, d, beta) > 0.01)) advance(set, x.topRows(s), beta);
  return before - value_;
}

}  // namespace

GroupLassoResult group_lasso(const ConstMatrixView& h, const ConstMatrixView& y, const Loss& loss, double lam,
                             bool intercept, const ConstMatrixView& start, const GroupLassoSettings& settings,
                             const Context& context) {
  require(h.rows() == y.rows(), "h and y must have as many rows as there are samples");
  require(y.rows() >= 1 && y.cols() >= 1, "y must have at least one row and one column");
  require(lam > 0.0 && std::isfinite(lam), "lam must be positive and finite");
  require(settings.offset.size() == 0 || (!intercept && settings.offset.size() == y.cols()),
          "offset must have one entry for each column of y, and no intercept beside it");
  require(start.size() == 0 || (start.rows() == h.cols() && start.cols() == y.cols()),
          "start must be empty or have a row for each column of h and the columns of y");
  GroupLasso solver(h, y, loss, lam, intercept, settings, context);
  solver.start(start);
  return solver.run();
}

}  // namespace landscape::homogeneous
