#include "joint_descent.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "held_kinks.hpp"
#include "landscape/linalg/decompositions.hpp"
#include "landscape/linalg/products.hpp"
#include "landscape/linalg/small_cholesky.hpp"
#include "lasso_losses.hpp"
#include "unit_path.hpp"

namespace landscape::homogeneous {

namespace {

using Eigen::MatrixXd;
using std::size_t;

constexpr double kOnKink = 1e-9;     // |x_i . v| / (|x_i| |v|): the unit is meant to lie on that kink
constexpr double kRounding = 1e-13;  // the same, for what rounding leaves of a zero
constexpr double kSettled = 1e-2;    // a face is settled where a step promises so much less than it did at first
constexpr double kNothing = 1e-16;   // a unit whose penalty is so much less than the value has died out
constexpr double kRelease = 1e-9;    // relative violation of a multiplier that counts
constexpr Index kFewInputs = 8;

class JointDescent {
 public:
  JointDescent(const UnitObjective& objective, UnitPoint& point, double value, const JointDescentSettings& settings,
               const Context& context)
      : o_(objective), x_(objective.problem.x), point_(point), value_(value), settings_(settings), context_(context) {
    x_size_ = x_.rowwise().norm();
    coupled_ = o_.problem.loss.kind == LossKind::softmax;
    has_b_ = o_.problem.intercept;
  }

  double run() {
    begin();
    int failures = 0;
    double promise = 0.0;  // the largest decrease promised since kinks were let go
    for (Index step = 0; step < settings_.max_steps && failures < 4; ++step) {
      context_.check();
      if ((point_.width() == 0 && !has_b_) || settings_.out_of_time()) break;
      assemble();
      const Vector p = direction();
      const double decrement = -gradient_.dot(p);
      if (!(decrement > settings_.tolerance * std::abs(value_))) {
        if (!release(gradient_.norm())) break;
        promise = 0.0;
        continue;
      }
      UnitStep move = unpacked(p);
      const bool clamped = clamp(move);
      UnitStop stop = minimise_along(o_, point_, t_, sides_, move, value_);
      if (stop.t == 0.0 && stop.kinks.empty() && clamped) {
        move = unpacked(p);
        stop = minimise_along(o_, point_, t_, sides_, move, value_);
      }
      if (stop.t == 0.0) {
        if (hold(stop.kinks)) continue;
        ++failures;
        damping_ = std::max(1e-6, 100.0 * damping_);
        continue;
      }
      failures = 0;
      damping_ = damping_ > 1e-9 ? 0.1 * damping_ : 0.0;
      advance(move, stop);
      promise = std::max(promise, decrement);
      if (!hold(stop.kinks) && decrement < kSettled * promise && release(gradient_.norm())) promise = 0.0;
    }
    return value_;
  }

 private:
  void begin() {
    kinks_.assign(static_cast<size_t>(point_.width()), HeldKinks(o_.inputs()));
    sides_.setOnes(o_.samples(), point_.width());
    if (o_.kinked()) {
      t_ = x_ * point_.v.transpose();
      for (Index k = 0; k < point_.width(); ++k) {
        const double size = point_.v.row(k).norm();
        for (Index i = 0; i < o_.samples(); ++i)
          if (x_size_(i) > 0.0 && std::abs(t_(i, k)) <= kOnKink * x_size_(i) * size) kinks_[at(k)].hold(x_, i);
      }
      const UnitPoint before = point_;
      for (Index k = 0; k < point_.width(); ++k) project(k);
      const double moved = o_.value(point_);
      if (moved <= value_) {
        value_ = moved;
      } else if (moved > value_ * (1.0 + 1e-13)) {  // not held: what counts as a kink was none
        point_ = before;
        kinks_.assign(static_cast<size_t>(point_.width()), HeldKinks(o_.inputs()));
      }
    }
    refresh();
  }

  static size_t at(Index k) { return static_cast<size_t>(k); }
  void project(Index k) { point_.v.row(k) = kinks_[at(k)].projected(point_.v.row(k).transpose()).transpose(); }

  // T, sides, H, Z and G of the point
  void refresh() {
    const Index m = o_.samples(), r = point_.width();
    t_ = x_ * point_.v.transpose();
    h_.resize(m, r);
    d_.resize(m, r);
    if (sides_.rows() != m || sides_.cols() != r) sides_.setOnes(m, r);
    if (o_.kinked())
      for (Index k = 0; k < r; ++k)
        for (const Index i : kinks_[at(k)].samples()) t_(i, k) = 0.0;
    const Eigen::RowVectorXd size = kRounding * point_.v.rowwise().norm().transpose();
    for (Index i = 0; i < m; ++i) {
      for (Index k = 0; k < r; ++k) {
        if (std::abs(t_(i, k)) <= x_size_(i) * size(k))
          t_(i, k) = 0.0;
        else
          sides_(i, k) = t_(i, k) > 0.0 ? 1 : -1;
        h_(i, k) = o_.on_side(t_(i, k), sides_(i, k));
        d_(i, k) = o_.slope_on_side(t_(i, k), sides_(i, k));
      }
    }
    z_ = h_ * point_.u;
    z_.rowwise() += point_.b.transpose();
    g_.resize(m, o_.outputs());
    o_.losses(z_, &g_);
  }

  Index own_u() const { return o_.scalar() ? 0 : o_.outputs(); }

  // Gradient, blocks B_k and the layout of the parameters: for every unit (u,) a with v = N a, then b
  void assemble() {
    const Index r = point_.width(), nu = own_u();
    offsets_.assign(at(r) + 1, 0);
    for (Index k = 0; k < r; ++k) offsets_[at(k) + 1] = offsets_[at(k)] + nu + kinks_[at(k)].dimension();
    const Index total = offsets_[at(r)] + (has_b_ ? o_.outputs() : 0);
    gradient_.resize(total);
    blocks_.resize(at(r));
    w_ = d_.cwiseProduct(g_ * point_.u.transpose());  // act' o (G U)
    const Matrix gv = w_.transpose() * x_, gu = h_.transpose() * g_;
    for (Index k = 0; k < r; ++k) {
      Vector dv = gv.row(k).transpose();
      MatrixXd bv;
      penalty_terms(k, dv, bv);
      if (o_.act.power == 2) bv += bend(k);
      const HeldKinks& held = kinks_[at(k)];
      const Index e = held.dimension();
      if (!held.everything()) bv = held.basis().transpose() * bv * held.basis();
      gradient_.segment(offsets_[at(k)] + nu, e) = held.everything() ? dv : Vector(held.basis().transpose() * dv);
      MatrixXd& block = blocks_[at(k)];
      block.setZero(nu + e, nu + e);
      block.bottomRightCorner(e, e) = bv;
      if (nu > 0) {
        const Eigen::RowVectorXd u = point_.u.row(k);
        const double size = u.norm();
        if (o_.act.power == 1) {
          gradient_.segment(offsets_[at(k)], nu) = (gu.row(k) + o_.problem.lam * u).transpose();
          block.topLeftCorner(nu, nu) = o_.problem.lam * MatrixXd::Identity(nu, nu);
        } else {
          gradient_.segment(offsets_[at(k)], nu) = (gu.row(k) + o_.problem.lam * size * u).transpose();
          block.topLeftCorner(nu, nu) = o_.problem.lam * size * MatrixXd::Identity(nu, nu);
          if (size > 0.0) block.topLeftCorner(nu, nu) += o_.problem.lam / size * u.transpose() * u;
        }
        Matrix cross = g_.transpose() * d_.col(k).asDiagonal() * x_;  // nL x d
        block.topRightCorner(nu, e) = held.everything() ? cross : Matrix(cross * held.basis());
        block.bottomLeftCorner(e, nu) = block.topRightCorner(nu, e).transpose();
      }
      make_definite(block, nu);
    }
    if (has_b_) {
      gradient_.tail(o_.outputs()) = g_.colwise().sum().transpose();
      if (o_.problem.intercept_decay) gradient_.tail(o_.outputs()) += o_.problem.lam * point_.b;
    }
    roots_.resize(o_.samples(), o_.outputs());
    with_loss(o_.problem.loss, [&](const auto& loss) {
      for (Index i = 0; i < o_.samples(); ++i)
        root_curvature(loss, &z_(i, 0), o_.target(i), o_.outputs(), &roots_(i, 0));
    });
  }

  // dv += lam dTheta/dv; bv <- its second derivatives
  void penalty_terms(Index k, Vector& dv, MatrixXd& bv) const {
    const Index d = o_.inputs(), p = o_.penalized();
    const double lam = o_.problem.lam;
    const Vector v = point_.v.row(k).head(p).transpose();
    const double size = v.norm();
    bv.setZero(d, d);
    auto top = bv.topLeftCorner(p, p);
    if (o_.act.power == 1 && !o_.scalar()) {
      dv.head(p) += lam * v;
      top.diagonal().setConstant(lam);
    } else if (o_.act.power == 1) {
      if (!(size > 0.0)) return;
      dv.head(p) += lam / size * v;
      top.diagonal().setConstant(lam / size);
      top -= lam / (size * size * size) * v * v.transpose();
    } else if (o_.scalar()) {
      dv.head(p) += 2.0 * lam * v;
      top.diagonal().setConstant(2.0 * lam);
    } else {
      dv.head(p) += 2.0 * lam * size * v;
      top.diagonal().setConstant(2.0 * lam * size);
      if (size > 0.0) top += 2.0 * lam / size * v * v.transpose();
    }
  }

  // sum_i (G u)_i act''(t_i) x_i x_i^T
  MatrixXd bend(Index k) const {
    Vector weight = g_ * point_.u.row(k).transpose();
    for (Index i = 0; i < o_.samples(); ++i) {
      const double a = sides_(i, k) > 0 ? 1.0 : o_.act.slope;
      weight(i) *= 2.0 * a * a;
    }
    return x_.transpose() * weight.asDiagonal() * x_;
  }

  // B_k + delta I, delta the least that leaves no negative eigenvalue
  void make_definite(MatrixXd& block, Index nu) const {
    const Index n = block.rows(), e = n - nu;
    if (n == 0 || (o_.act.power == 1 && nu == 0)) return;
    double shift = 0.0;
    if (o_.act.power == 1 && o_.penalized() == o_.inputs()) {  // lam +- the singular values of the corner
      const MatrixXd cross = block.topRightCorner(nu, e);
      const MatrixXd gram = nu <= e ? MatrixXd(cross * cross.transpose()) : MatrixXd(cross.transpose() * cross);
      shift = std::sqrt(std::max(0.0, linalg::symmetric_eigenvalues(Matrix(gram)).maxCoeff())) - o_.problem.lam;
    } else {
      shift = -linalg::symmetric_eigenvalues(Matrix(block)).minCoeff();
    }
    if (shift > 0.0) block.diagonal().array() += shift;
  }

  // The columns of B J for one unit, (m nL) x n_k, or for the intercept (k = width)
  void columns(Index k, MatrixView out) const {
    const Index n = o_.outputs(), nu = own_u();
    if (k == point_.width()) {
      for (Index i = 0; i < o_.samples(); ++i) {
        for (Index o = 0; o < n; ++o) {
          for (Index q = 0; q < n; ++q) out(i * n + o, q) = roots_(i, o) * ((o == q ? 1.0 : 0.0) - mean(i, q));
        }
      }
      return;
    }
    const HeldKinks& held = kinks_[at(k)];
    const Index e = held.dimension();
    if (!held.everything()) {
      if (o_.inputs() <= kFewInputs)
        in_basis_ = x_.lazyProduct(held.basis());  // packing would cost more than the product
      else
        in_basis_.noalias() = x_ * held.basis();
    }
    const double* const inputs = held.everything() ? x_.data() : in_basis_.data();  // m x e
    const auto u = point_.u.row(k);
    for (Index i = 0; i < o_.samples(); ++i) {
      double average = 0.0;
      if (coupled_)
        for (Index q = 0; q < n; ++q) average += mean(i, q) * u(q);
      for (Index o = 0; o < n; ++o) {
        double* const row = &out(i * n + o, 0);
        for (Index q = 0; q < nu; ++q) row[q] = roots_(i, o) * h_(i, k) * ((o == q ? 1.0 : 0.0) - mean(i, q));
        const double scale = roots_(i, o) * (u(o) - average) * d_(i, k);
        for (Index q = 0; q < e; ++q) row[nu + q] = scale * inputs[i * e + q];
      }
    }
  }

  double mean(Index i, Index q) const { return coupled_ ? roots_(i, q) * roots_(i, q) : 0.0; }

  Vector direction() const {
    const Index total = gradient_.size();
    if (total == 0) return Vector(0);
    const double work =
        static_cast<double>(total) * static_cast<double>(total) * static_cast<double>(o_.samples() * o_.outputs());
    return total <= settings_.dense_up_to && work <= 4e9 ? dense_direction() : iterative_direction();
  }

  Vector dense_direction() const {
    const Index total = gradient_.size(), r = point_.width();
    Matrix a(o_.samples() * o_.outputs(), total), hessian = Matrix::Zero(total, total);
    for (Index k = 0; k < r; ++k) columns(k, a.middleCols(offsets_[at(k)], offsets_[at(k) + 1] - offsets_[at(k)]));
    if (has_b_) columns(r, a.rightCols(o_.outputs()));
    linalg::accumulate_gram(a, hessian, context_);
    for (Index k = 0; k < r; ++k)
      hessian.block(offsets_[at(k)], offsets_[at(k)], blocks_[at(k)].rows(), blocks_[at(k)].rows()) += blocks_[at(k)];
    if (has_b_ && o_.problem.intercept_decay) hessian.diagonal().tail(o_.outputs()).array() += o_.problem.lam;
    const Vector scale = hessian.diagonal();
    const double top = std::max(scale.maxCoeff(), 1e-300);
    linalg::SmallCholesky factor;
    for (double ridge = 1e-14; ridge < 1e3; ridge *= 100.0) {
      hessian.diagonal() = scale.array() * (1.0 + ridge + damping_) + ridge * top;
      if (!factor.factor(hessian)) continue;
      const Vector p = -factor.solve(gradient_);
      if (p.allFinite() && gradient_.dot(p) < 0.0) return p;
    }
    return Vector::Zero(total);
  }

  // H p without H
  Vector product(const Vector& p) const {
    const Index r = point_.width(), n = o_.outputs(), nu = own_u(), m = o_.samples();
    const UnitStep move = unpacked(p);
    Matrix dz = d_.cwiseProduct(x_ * move.v.transpose()) * point_.u;
    if (nu > 0) dz += h_ * move.u;
    if (has_b_) dz.rowwise() += move.b.transpose();
    Matrix dg(m, n);
    with_loss(o_.problem.loss, [&](const auto& loss) {
      for (Index i = 0; i < m; ++i) loss.curvature(&z_(i, 0), o_.target(i), n, &dz(i, 0), &dg(i, 0));
    });
    const Matrix gv = d_.cwiseProduct(dg * point_.u.transpose()).transpose() * x_, gu = h_.transpose() * dg;
    Vector out(p.size());
    for (Index k = 0; k < r; ++k) {
      const HeldKinks& held = kinks_[at(k)];
      const Index first = offsets_[at(k)], own = offsets_[at(k) + 1] - first, e = own - nu;
      const Vector dv = gv.row(k).transpose();
      if (nu > 0) out.segment(first, nu) = gu.row(k).transpose();
      out.segment(first + nu, e) = held.everything() ? dv : Vector(held.basis().transpose() * dv);
      out.segment(first, own) += blocks_[at(k)] * p.segment(first, own);
    }
    if (has_b_) {
      out.tail(n) = dg.colwise().sum().transpose();
      if (o_.problem.intercept_decay) out.tail(n) += o_.problem.lam * p.tail(n);
    }
    return out + (1e-12 + damping_) * diagonal_.cwiseProduct(p);
  }

  // Conjugate gradients, each unit's own block as preconditioner
  Vector iterative_direction() const {
    const Index r = point_.width(), total = gradient_.size();
    std::vector<linalg::SmallCholesky> factors;
    diagonal_.setOnes(total);
    for (Index k = 0; k <= r; ++k) {
      if (k == r && !has_b_) break;
      const Index first = offsets_[at(k)], own = k < r ? offsets_[at(k) + 1] - first : o_.outputs();
      Matrix a(o_.samples() * o_.outputs(), own), block = Matrix::Zero(own, own);
      columns(k, a);
      linalg::accumulate_gram(a, block, context_);
      if (k < r) block += blocks_[at(k)];
      if (k == r && o_.problem.intercept_decay) block.diagonal().array() += o_.problem.lam;
      const double top = std::max(block.diagonal().maxCoeff(), 1e-300);
      diagonal_.segment(first, own) = block.diagonal().cwiseMax(1e-12 * top);
      block.diagonal() += (1e-10 + damping_) * diagonal_.segment(first, own);
      factors.emplace_back();
      factors.back().factor(block);
    }
    const auto precondition = [&](const Vector& from) {
      Vector to(total);
      for (size_t k = 0; k < factors.size(); ++k) {
        const Index first = offsets_[k], own = factors[k].size();
        to.segment(first, own) = factors[k].solve(from.segment(first, own));
      }
      return to;
    };
    Vector x = Vector::Zero(total), residual = -gradient_, v = precondition(residual), p = v;
    double rv = residual.dot(v);
    const double target = 1e-6 * rv;
    for (Index step = 0; step < settings_.max_products && rv > target; ++step) {
      context_.check();
      const Vector image = product(p);
      const double curvature = p.dot(image);
      if (!(curvature > 0.0)) break;
      x += rv / curvature * p;
      residual -= rv / curvature * image;
      v = precondition(residual);
      const double next = residual.dot(v);
      if (!(next > 0.0)) break;
      p = v + next / rv * p;
      rv = next;
    }
    return x.allFinite() ? x : Vector(Vector::Zero(total));
  }

  UnitStep unpacked(const Vector& p) const {
    const Index r = point_.width(), nu = own_u();
    UnitStep move{Matrix::Zero(r, o_.outputs()), Matrix(r, o_.inputs()), Vector::Zero(o_.outputs())};
    for (Index k = 0; k < r; ++k) {
      const Index first = offsets_[at(k)], e = offsets_[at(k) + 1] - first - nu;
      if (nu > 0) move.u.row(k) = p.segment(first, nu).transpose();
      const auto a = p.segment(first + nu, e);
      if (kinks_[at(k)].everything())
        move.v.row(k) = a.transpose();
      else
        move.v.row(k) = (kinks_[at(k)].basis() * a).transpose();
    }
    if (has_b_) move.b = p.tail(o_.outputs());
    return move;
  }

  // A unit that the step takes past zero goes to zero.
  bool clamp(UnitStep& move) const {
    bool clamped = false;
    const Index p = o_.penalized();
    for (Index k = 0; k < point_.width(); ++k) {
      const auto v = point_.v.row(k).head(p);
      const bool past = v.dot(move.v.row(k).head(p)) <= -v.squaredNorm() ||
                        (!o_.scalar() && point_.u.row(k).dot(move.u.row(k)) <= -point_.u.row(k).squaredNorm());
      if (!past) continue;
      move.v.row(k) = -point_.v.row(k);
      if (!o_.scalar()) move.u.row(k) = -point_.u.row(k);
      clamped = true;
    }
    return clamped;
  }

  void advance(const UnitStep& move, const UnitStop& stop) {
    point_.v += stop.t * move.v;
    if (!o_.scalar()) point_.u += stop.t * move.u;
    point_.b += stop.t * move.b;
    std::vector<Index> alive;
    for (Index k = 0; k < point_.width(); ++k) {
      const double amplitude = point_.u.row(k).norm() * std::pow(o_.size(point_.v, k), o_.act.power);
      if (o_.problem.lam * amplitude > kNothing * std::abs(value_)) alive.push_back(k);
    }
    moved_to_.assign(at(point_.width()), -1);
    for (size_t j = 0; j < alive.size(); ++j) moved_to_[at(alive[j])] = static_cast<Index>(j);
    if (static_cast<Index>(alive.size()) < point_.width()) keep(alive);
    for (Index k = 0; k < point_.width(); ++k) project(k);
    refresh();
    value_ = std::min(value_, o_.value(point_));
  }

  void keep(const std::vector<Index>& alive) {
    const Index left = static_cast<Index>(alive.size());
    Matrix u(left, point_.u.cols()), v(left, point_.v.cols());
    Sides sides(o_.samples(), left);
    std::vector<HeldKinks> kinks;
    for (Index j = 0; j < left; ++j) {
      u.row(j) = point_.u.row(alive[at(j)]);
      v.row(j) = point_.v.row(alive[at(j)]);
      sides.col(j) = sides_.col(alive[at(j)]);
      kinks.push_back(kinks_[at(alive[at(j)])]);
    }
    point_.u = u;
    point_.v = v;
    sides_ = sides;
    kinks_ = kinks;
  }

  // Holds units on kinks, by their numbers before the last step; whether any is new.
  bool hold(const std::vector<std::pair<Index, Index>>& met) {
    bool any = false;
    for (const auto& [unit, sample] : met) {
      const Index k = moved_to_.empty() ? unit : moved_to_[at(unit)];
      if (k < 0 || !kinks_[at(k)].hold(x_, sample)) continue;
      project(k);
      any = true;
    }
    moved_to_.clear();
    if (any) refresh();
    return any;
  }

  // Lets go of the kink of each unit that pulls hardest, if it pulls harder than the gradient on the face.
  bool release(double on_face) {
    bool any = false;
    if (!o_.kinked()) return false;
    const Matrix pull = g_ * point_.u.transpose();  // m x r
    for (Index k = 0; k < point_.width(); ++k) {
      HeldKinks& held = kinks_[at(k)];
      if (held.everything()) continue;
      Vector weight = d_.col(k).cwiseProduct(pull.col(k));
      for (const Index i : held.samples()) weight(i) = 0.0;
      Vector dv = x_.transpose() * weight;
      MatrixXd unused;
      penalty_terms(k, dv, unused);
      const Vector nu = held.multipliers(x_, -dv);
      double worst = std::max(1e-3 * on_face, 0.0);
      Index place = -1;
      int side = 0;
      for (size_t j = 0; j < held.samples().size(); ++j) {
        const Index i = held.samples()[j];
        const double g = pull(i, k), own = nu(static_cast<Index>(j)), size = x_size_(i);
        const double slack = kRelease * (std::abs(g) + std::abs(own));
        const double up = own - g, down = o_.act.slope * g - own;  // what moving to either side gains
        if (size * (up - slack) > worst && up >= down) {
          worst = size * up;
          place = static_cast<Index>(j);
          side = 1;
        } else if (size * (down - slack) > worst) {
          worst = size * down;
          place = static_cast<Index>(j);
          side = -1;
        }
      }
      if (place < 0) continue;
      sides_(held.samples()[at(place)], k) = static_cast<signed char>(side);
      held.release(x_, at(place));
      any = true;
    }
    if (any) refresh();
    return any;
  }

  const UnitObjective& o_;
  const ConstMatrixMap& x_;
  UnitPoint& point_;
  double value_;
  const JointDescentSettings& settings_;
  const Context& context_;
  Vector x_size_;
  bool coupled_ = false, has_b_ = false;

  std::vector<HeldKinks> kinks_;
  Sides sides_;  // +1 or -1; of a sample on its kink the side it was let go to
  Matrix t_, h_, d_, z_, g_, w_, roots_;
  Vector gradient_;
  std::vector<MatrixXd> blocks_;
  std::vector<Index> offsets_, moved_to_;
  double damping_ = 0.0;
  mutable Vector diagonal_;
  mutable Matrix in_basis_;  // X times a unit's basis
};

}  // namespace

double joint_descent(const UnitObjective& objective, UnitPoint& point, double value,
                     const JointDescentSettings& settings, const Context& context) {
  return JointDescent(objective, point, value, settings, context).run();
}

}  // namespace landscape::homogeneous
