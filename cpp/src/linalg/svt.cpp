#include "landscape/linalg/svt.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "dense_operations.hpp"
#include "lanczos_chains.hpp"
#include "landscape/errors.hpp"
#include "landscape/linalg/cholesky.hpp"
#include "landscape/linalg/decompositions.hpp"
#include "landscape/random.hpp"
#include "landscape/rounding.hpp"
#include "oriented.hpp"

namespace landscape::linalg {

namespace {

constexpr Index kJacobiUpTo = 400;  // some seconds

// X <- Q of X = Q R by Cholesky of X^T X, twice (Yamamoto et al. 2015); R when asked for. Householder where the columns
// are too dependent for that.
void orthonormalise(Matrix& x, const Context& context, Matrix* r = nullptr) {
  const Index k = x.cols();
  if (k == 0) return;
  Matrix gram(k, k), total = Matrix::Identity(k, k), original;
  if (r != nullptr) original = x;
  // Columns of equal length first: their lengths are no dependence.
  Vector lengths = x.colwise().norm();
  bool regular = lengths.minCoeff() > 0.0;
  if (regular) x = x * lengths.cwiseInverse().asDiagonal();
  for (int pass = 0; regular && pass < 2; ++pass) {
    gram_of_columns(x, gram, context);
    regular = cholesky(gram, Context{}) && gram.diagonal().minCoeff() > (pass == 0 ? 1e-6 : 0.9);
    if (!regular) break;
    const Matrix lower = gram.triangularView<Eigen::Lower>(), inverse = lower_inverse(gram).transpose();
    Matrix next(x.rows(), k);
    product(x, inverse, next, context);
    x.swap(next);
    total = lower.transpose() * total;
  }
  if (regular) {
    if (r != nullptr) *r = total * lengths.asDiagonal();
    return;
  }
  if (r == nullptr) {
    x = orthonormal_columns(x);
    return;
  }
  x = orthonormal_columns(original);
  r->resize(k, k);
  product_transposed(x, original, *r, context);
}

Matrix random_block(Index n, Index columns, std::uint64_t seed, std::uint64_t stream) {
  Matrix x(n, columns);
  for (Index c = 0; c < columns; ++c) {
    const CounterRandom random(seed, stream + static_cast<std::uint64_t>(c));
    for (Index i = 0; i < n; ++i) x(i, c) = random.uniform(static_cast<std::uint64_t>(i)) - 0.5;
  }
  return x;
}

// log of the growth per degree of the Chebyshev polynomial of [0, cut] at `value`
double rate(double value, double cut) { return std::acosh(std::max(1.0, 2.0 * value / cut - 1.0)); }

class Thresholding {
 public:
  Thresholding(const MeasuredMap& y, double lam, const SvtSettings& settings, const Context& context)
      : b_(y), lam_(lam * b_.scale()), settings_(settings), context_(context) {}

  SvtResult run(const MeasuredMap& y, const ConstMatrixView& start);

 private:
  void form_gram();
  void apply_gram(const Matrix& x, Matrix& out);
  void apply(const Matrix& x, Matrix& out);
  void apply_transposed(const Matrix& x, Matrix& out);
  void rayleigh_ritz(Matrix& x, Matrix& image, Vector& theta);
  void first_filter(Matrix& x, const Matrix& image, double squared, double top);
  void filter(Matrix& x, const Matrix& image, double cut, double top, Index degree);
  bool partial(Matrix start);
  bool by_gram();
  bool by_svd(const Matrix& entries);
  void take_svd(const ThinSvd& svd, const Matrix& entries);
  bool accept(Matrix right, bool rotate);
  void judge(const Matrix& w);
  double allowed() const;
  double hidden() const;
  bool complete() const;

  // Threads of a LAPACK call cost more than they save on the small projected problems.
  Context for_order(Index order) const {
    Context context = context_;
    if (order <= 192) context.n_threads = 1;
    return context;
  }

  Oriented b_;
  double lam_;
  const SvtSettings& settings_;
  const Context& context_;
  bool with_gram_ = false;
  Matrix gram_;
  SvtResult result_;
  Matrix left_, right_;
  Vector values_;
};

void Thresholding::form_gram() {
  gram_.resize(b_.cols(), b_.cols());
  b_.gram(gram_, context_);
  mirror_lower(gram_, context_);
  with_gram_ = true;
}

void Thresholding::apply(const Matrix& x, Matrix& out) {
  out.resize(b_.rows(), x.cols());
  b_.apply(x, out, context_);
  result_.products += x.cols();
}

void Thresholding::apply_transposed(const Matrix& x, Matrix& out) {
  out.resize(b_.cols(), x.cols());
  b_.apply_transposed(x, out, context_);
  result_.products += x.cols();
}

void Thresholding::apply_gram(const Matrix& x, Matrix& out) {
  if (with_gram_) {
    out.resize(x.rows(), x.cols());
    product(gram_, x, out, context_);
    return;
  }
  Matrix between;
  apply(x, between);
  apply_transposed(between, out);
}

// Orthonormal X (n x b) <- Ritz vectors of G, image <- G X, theta descending
void Thresholding::rayleigh_ritz(Matrix& x, Matrix& image, Vector& theta) {
  const Index b = x.cols();
  apply_gram(x, image);
  Matrix projected(b, b);
  product_transposed(x, image, projected, context_);
  SymmetricEigen ritz = symmetric_eigen(projected, for_order(b));
  theta = ritz.values.reverse();
  const Matrix rotation = ritz.vectors.rowwise().reverse();
  Matrix rotated(x.rows(), b);
  product(x, rotation, rotated, context_);
  x.swap(rotated);
  product(image, rotation, rotated, context_);
  image.swap(rotated);
}

// X <- T_degree((2 G - cut) / cut) X scaled to 1 at `top`; image = G X of the X that comes in
//
// The three-term recurrence with sigma_{i+1} = 1 / (2 / sigma_1 - sigma_i) (Zhou & Saad 2007, Algorithm 2.1).
void Thresholding::filter(Matrix& x, const Matrix& image, double cut, double top, Index degree) {
  const double half = 0.5 * cut;
  const double first = half / (top - half);
  double sigma = first;
  Matrix previous = x;
  x = (image - half * x) * (sigma / half);
  Matrix next;
  for (Index i = 1; i < degree; ++i) {
    const double following = 1.0 / (2.0 / first - sigma);
    apply_gram(x, next);
    next = (2.0 * following / half) * (next - half * x) - (sigma * following) * previous;
    previous.swap(x);
    x.swap(next);
    sigma = following;
  }
}

double Thresholding::allowed() const {
  const double norm = (values_.array() - lam_).matrix().norm();
  return std::max(settings_.tolerance * norm, 16.0 * kUnitRoundoff * b_.frobenius());
}

// Left vectors, values and residuals from right vectors that span the wanted space.
//   W = Y V = Q R, R = P S O^T: U = Q P, V <- V O; without `rotate` U is the orthonormal matrix nearest to W / |w_i|.
bool Thresholding::accept(Matrix right, bool rotate) {
  const Index k = right.cols();
  result_.complement_upper = kInfinity;
  Matrix w, factor;
  apply(right, w);
  if (rotate) {
    orthonormalise(w, context_, &factor);
    ThinSvd small = thin_svd(factor, for_order(k));
    left_.resize(w.rows(), k);
    right_.resize(right.rows(), k);
    product(w, small.left, left_, context_);
    product(right, small.right, right_, context_);
    values_ = small.values;
    // R = Q P S - U S = 0 up to rounding.
    result_.residual = 0.0;
  } else {
    const Vector lengths = w.colwise().norm();
    if (!(lengths.minCoeff() > 0.0)) return false;
    left_ = w * lengths.cwiseInverse().asDiagonal();
    // One Newton-Schulz step U (3 I - U^T U) / 2 squares the departure from orthonormality (Higham 2008, section 8.3).
    Matrix overlap(k, k), nearest(w.rows(), k);
    gram_of_columns(left_, overlap, context_);
    mirror_lower(overlap, context_);
    overlap = 1.5 * Matrix::Identity(k, k) - 0.5 * overlap;
    product(left_, overlap, nearest, context_);
    left_.swap(nearest);
    right_ = std::move(right);
    values_ = left_.cwiseProduct(w).colwise().sum();
    result_.residual = (w - left_ * values_.asDiagonal()).norm();
  }
  Matrix image;
  apply_transposed(left_, image);
  result_.residual = std::hypot(result_.residual, (image - right_ * values_.asDiagonal()).norm());
  const bool good = result_.residual <= allowed();
  if (good || rotate) judge(image);
  return good;
}

// |C|_2^2 <= lambda_1(G - W W^T), W = Y^T U, since (I - U U^T) Y has that Gram matrix; Cholesky of lam^2 I minus it.
void Thresholding::judge(const Matrix& w) {
  result_.complement_upper = kInfinity;
  if (left_.cols() == b_.cols()) result_.complement_upper = 0.0;
  if (!with_gram_ || !settings_.complete || left_.cols() == b_.cols()) return;
  const Index n = b_.cols(), k = w.cols();
  const double frobenius_squared = b_.frobenius() * b_.frobenius();
  // Forming G, W and W W^T; U^T U - I is a few roundings, which may move |C|^2 by that much of |Y|_F^2.
  const double forming = (rounding_gamma(b_.gram_depth()) + 3.0 * rounding_gamma(b_.depth() + k) +
                          static_cast<double>(8 * k) * kUnitRoundoff) *
                         frobenius_squared;
  Matrix deflated(n, n);
  double room = 0.0;
  for (int attempt = 0; attempt < 3; ++attempt) {
    deflated = -gram_;
    add_gram_of_rows(w, deflated, context_);
    const double trace = -deflated.trace();
    // First that nothing is above lam; then with as much room as roundings need, which is still worth knowing.
    const double slack = (forming + cholesky_margin(n, static_cast<double>(n) * lam_ * lam_ - trace + forming) +
                          8.0 * kUnitRoundoff * lam_ * lam_) *
                         kUp;
    const double kappa_squared = lam_ * lam_ + (room > 0.0 ? room : -slack);
    if (kappa_squared > 0.0) {
      deflated.diagonal().array() += kappa_squared;
      if (cholesky(deflated, context_)) {
        result_.complement_upper = room > 0.0 ? std::sqrt(kappa_squared + slack) * kUp : lam_;
        return;
      }
    }
    room = room > 0.0 ? 30.0 * room : 2.0 * slack;
  }
}

// From vectors of no order, in which the top must not drown the rest.
void Thresholding::first_filter(Matrix& x, const Matrix& image, double squared, double top) {
  const double cut = std::max(squared, 1e-8 * top);
  const double degree = std::min(48.0, std::max(1.0, 30.0 / std::max(rate(top, cut), 0.1)));
  filter(x, image, cut, std::max(top, 1.5 * cut), static_cast<Index>(degree));
  orthonormalise(x, context_);
}

bool Thresholding::partial(Matrix start) {
  const Index n = b_.cols();
  const double squared = lam_ * lam_;
  Index width = std::min(n, start.cols() > 0 ? start.cols() + std::max<Index>(8, start.cols() / 8)
                            : with_gram_     ? Index{64}
                                             : Index{24});
  Matrix x(n, width);
  const Index known = std::min(width, start.cols());
  x << start.leftCols(known), random_block(n, width - known, settings_.seed, 1);
  Matrix image;
  apply_gram(x, image);
  Vector theta;
  // |G x|^2 / x^T G x leans to the top of the spectrum; it only sets the degree of the first filter.
  const Vector quotients = image.colwise().squaredNorm().transpose().cwiseQuotient(
      x.cwiseProduct(image).colwise().sum().transpose().cwiseMax(std::numeric_limits<double>::min()));
  double top = quotients.maxCoeff();
  first_filter(x, image, squared, top);
  double before = kInfinity;
  int stalled = 0;
  Index wanted = 0, degree = 1;
  std::uint64_t stream = 100;
  const bool may_give_up = with_gram_ && settings_.method == SvtMethod::automatic;
  Index spent = 0;  // columns through G
  for (int round = 0; round < 400; ++round) {
    rayleigh_ritz(x, image, theta);
    spent += width * (1 + degree);
    top = std::max(top, theta(0));
    wanted = 0;
    while (wanted < width && theta(wanted) > squared) ++wanted;
    // Residuals as those of Y: |Y^T u_i - sigma_i v_i| = |G v_i - theta_i v_i| / sigma_i.
    double residual = 0.0, norm = 0.0;
    for (Index i = 0; i < wanted; ++i) {
      const double sigma = std::sqrt(theta(i));
      residual += (image.col(i) - theta(i) * x.col(i)).squaredNorm() / theta(i);
      norm += (sigma - lam_) * (sigma - lam_);
    }
    residual = std::sqrt(residual);
    const double goal = std::max(settings_.tolerance * std::sqrt(norm), 16.0 * kUnitRoundoff * b_.frobenius());
    const bool full = wanted + std::min<Index>(4, n - wanted) > width;
    if (!full && round > 0 && residual > 0.5 * before) ++stalled;
    if (stalled > 24) break;
    if (!full && (residual <= 0.5 * goal || (residual < 1e3 * goal && stalled > 2))) {
      if (wanted == 0) {
        values_.resize(0);
        left_.resize(b_.rows(), 0);
        right_.resize(n, 0);
        result_.residual = 0.0;
        judge(Matrix(n, 0));
      } else if (!accept(x.leftCols(wanted), true) && stalled < 8) {
        // One power step with Y itself, whose rounding is relative to sigma_i and not to sigma_1.
        apply(x, image);
        orthonormalise(image, context_);
        Matrix back;
        apply_transposed(image, back);
        x.swap(back);
        orthonormalise(x, context_);
        degree = 1;
        ++stalled;
        continue;
      }
      result_.next = width > wanted ? std::sqrt(std::max(0.0, theta(wanted))) : 0.0;
      return result_.residual <= allowed();
    }
    before = residual;
    if (full) {
      if (width == n) {
        // Everything is in the block: the Ritz values are the singular values.
        result_.next = wanted < n ? std::sqrt(std::max(0.0, theta(wanted))) : 0.0;
        return wanted > 0 ? accept(x.leftCols(wanted), true) : false;
      }
      Index larger = 2 * width;
      {
        LanczosChains chains(
            [&](const ConstMatrixView& in, MatrixView out) {
              Matrix result;
              apply_gram(Matrix(in), result);
              out = result;
            },
            n, 4, settings_.seed + 7, context_);
        for (int i = 0; i < 8; ++i) chains.step();
        const double estimate = chains.fraction_above(squared) * static_cast<double>(n);
        if (may_give_up && (estimate > 0.12 * static_cast<double>(n) || larger > n / 4)) return false;
        larger = std::max(larger, static_cast<Index>(1.2 * estimate) + 10);
      }
      larger = std::min(n, larger);
      Matrix grown(n, larger);
      grown << x, random_block(n, larger - width, settings_.seed, stream);
      stream += static_cast<std::uint64_t>(larger);
      x.swap(grown);
      orthonormalise(x, context_);
      apply_gram(x, image);
      width = larger;
    }
    if (may_give_up && spent > 4 * n + 2000) return false;
    if (!with_gram_ && result_.products > settings_.max_products) break;
    if (full) {
      first_filter(x, image, squared, top);
      continue;
    }
    // Damp what lies below the block and below lam^2. The columns are Ritz vectors, so only the spread of the wanted
    // ones is lost to rounding, and only what the residual still lacks is worth its products.
    const double cut = std::max(std::min(squared, theta(width - 1)), 1e-8 * top);
    const double high = rate(top, cut), low = wanted > 0 ? rate(theta(wanted - 1), cut) : high;
    const double lacking = wanted > 0 ? std::log(std::max(10.0, residual / goal)) + 1.0 : 16.0;
    degree = static_cast<Index>(std::min({20.0 / std::max(high - low, 1e-3), lacking / std::max(low, 1e-3), 48.0}));
    degree = std::max<Index>(1, degree);
    filter(x, image, cut, std::max(top, 1.5 * cut), degree);
    orthonormalise(x, context_);
  }
  // Out of rounds or products: the best there is, with its honest bound.
  if (wanted > 0) accept(x.leftCols(wanted), true);
  return false;
}

bool Thresholding::by_gram() {
  const SymmetricEigen eigen = symmetric_eigen(gram_, context_);
  const Index n = b_.cols();
  Index wanted = 0;
  while (wanted < n && eigen.values(n - 1 - wanted) > lam_ * lam_) ++wanted;
  result_.next = wanted < n ? std::sqrt(std::max(0.0, eigen.values(n - 1 - wanted))) : 0.0;
  if (wanted == 0) return false;
  return accept(eigen.vectors.rightCols(wanted).rowwise().reverse(), false);
}

bool Thresholding::by_svd(const Matrix& entries) {
  take_svd(thin_svd(entries, context_), entries);
  // Without LAPACK: where singular values repeat, divide and conquer has been seen to lose five digits of the vectors,
  // which Jacobi's method keeps.
  if (result_.residual > allowed() && entries.cols() <= kJacobiUpTo) take_svd(jacobi_svd(entries), entries);
  result_.complement_upper = std::max(lam_, result_.next);
  return true;
}

// The triplets above lam, and what the matrix says of them.
void Thresholding::take_svd(const ThinSvd& svd, const Matrix& entries) {
  Index wanted = 0;
  while (wanted < svd.values.size() && svd.values(wanted) > lam_) ++wanted;
  values_ = svd.values.head(wanted);
  left_ = svd.left.leftCols(wanted);
  right_ = svd.right.leftCols(wanted);
  result_.next = wanted < svd.values.size() ? svd.values(wanted) : 0.0;
  Matrix right_residual(entries.rows(), wanted), left_residual(entries.cols(), wanted);
  product(entries, right_, right_residual, context_);
  product_transposed(entries, left_, left_residual, context_);
  right_residual -= left_ * values_.asDiagonal();
  left_residual -= right_ * values_.asDiagonal();
  result_.residual =
      std::sqrt(right_residual.squaredNorm() + left_residual.squaredNorm()) + 4.0 * kUnitRoundoff * b_.frobenius();
}

// What values that were missed can add to |Z - D_lam(Y)|_F.
double Thresholding::hidden() const {
  const double above = std::max(0.0, result_.complement_upper - lam_);
  return std::sqrt(static_cast<double>(b_.cols() - values_.size())) * above;
}

bool Thresholding::complete() const { return std::isfinite(hidden()) && hidden() <= 2.0 * allowed(); }

SvtResult Thresholding::run(const MeasuredMap& y, const ConstMatrixView& start) {
  const Index n = b_.cols(), rows = y.map.rows, cols = y.map.cols;
  values_.resize(0);
  left_.resize(b_.rows(), 0);
  right_.resize(n, 0);
  result_.complement_upper = kInfinity;
  bool done = false;
  const SvtMethod asked = settings_.method;
  if (b_.frobenius() <= lam_) {
    // sigma_1 <= |Y|_F
    result_.method = SvtMethod::partial;
    result_.complement_upper = b_.frobenius();
    result_.next = 0.0;
    done = true;
  }
  constexpr Index small = 96;
  const bool gram_fits = b_.has_gram() && n <= settings_.gram_up_to;
  const bool entries_fit = rows * cols <= (Index{1} << 25);
  // Y V diag((sigma - lam)_+ / sigma) V^T loses about (sigma_1 / lam)^2 roundings, so a small lam goes to the SVD.
  const bool small_lam = lam_ < 1e-3 * b_.frobenius() / std::sqrt(static_cast<double>(n));
  if (!done && asked != SvtMethod::svd && (n > small || asked != SvtMethod::automatic) &&
      !(asked == SvtMethod::automatic && small_lam && entries_fit && gram_fits)) {
    if (gram_fits) form_gram();
    if (asked != SvtMethod::gram) {
      Matrix near_start(n, start.cols());
      if (start.cols() > 0) {
        if (b_.transposed()) {
          y.map.apply(start, near_start, context_);
        } else {
          near_start = start;
        }
      }
      result_.method = SvtMethod::partial;
      done = partial(std::move(near_start));
      // A value just above lam can hide behind a Ritz value that is still below it: what could be proved and was not is
      // not done.
      if (done && with_gram_ && settings_.complete && !complete()) done = false;
    }
    if (!done && with_gram_ && asked != SvtMethod::partial) {
      result_.method = SvtMethod::gram;
      done = by_gram() && (complete() || !settings_.complete || asked == SvtMethod::gram);
    }
  }
  if (!done && entries_fit && (asked == SvtMethod::automatic || asked == SvtMethod::svd)) {
    result_.method = SvtMethod::svd;
    Matrix entries(b_.rows(), n);
    b_.apply(Matrix::Identity(n, n), entries, context_);
    done = by_svd(entries);
  }
  result_.residual = std::max(result_.residual, 0.0);
  result_.complete = complete();
  result_.error_bound = result_.residual + hidden();
  result_.converged = done;
  const double unscale = 1.0 / b_.scale();
  result_.margin = values_.size() > 0 ? values_(values_.size() - 1) - lam_ : kInfinity;
  if (result_.next > 0.0 || values_.size() == 0)
    result_.margin = std::min(result_.margin, std::abs(lam_ - result_.next));
  result_.margin *= unscale;
  result_.next *= unscale;
  result_.residual *= unscale;
  result_.complement_upper *= unscale;
  result_.error_bound *= unscale;
  result_.values = values_ * unscale;
  result_.left = std::move(left_);
  result_.right = std::move(right_);
  if (b_.transposed()) result_.left.swap(result_.right);
  return std::move(result_);
}

}  // namespace

SvtResult svt(const MeasuredMap& y, double lam, const SvtSettings& settings, const ConstMatrixView& start,
              const Context& context) {
  require(std::isfinite(lam) && lam >= 0.0, "lam must be finite and not negative");
  require(start.cols() == 0 || start.rows() == y.map.cols, "start must have as many rows as y has columns");
  const Index rows = y.map.rows, cols = y.map.cols;
  require(rows >= 1 && cols >= 1, "y must have at least one row and one column");
  if (worth_materialising(y, settings.gram_up_to)) {
    const Materialised dense = materialise(y, context);
    const MeasuredMap known = measured(ConstMatrixView(dense.entries));
    SvtResult result = svt(known, lam, settings, start, context);
    // D_lam is nonexpansive in the Frobenius norm.
    result.error_bound += dense.error * std::sqrt(static_cast<double>(std::min(rows, cols)));
    return result;
  }
  return Thresholding(y, lam, settings, context).run(y, start);
}

}  // namespace landscape::linalg
