#include "landscape/linear/classify.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "landscape/linalg/cholesky.hpp"
#include "landscape/linalg/decompositions.hpp"
#include "landscape/linalg/products.hpp"

namespace landscape::linear {

namespace {

using risk::SpectralData;

constexpr double kCoarse = 1e-6;      // of tr Syy: a resolution above it proves nothing worth saying
constexpr double kNearFactor = 10.0;  // THEORY 3.7: within a factor ten of a threshold is too close to call

double square(double value) { return value * value; }

// Differences of eigenvalues of Sigma below this are rounding: |error of lambda| <= 2 sigma |error of sigma|.
double tie_width(const SpectralData& data) {
  const double top = data.singular_values.size() > 0 ? data.singular_values(0) : 0.0;
  return 8.0 * data.noise() * top;
}

void whiten(const SpectralData& data, const ConstMatrixView& u, const ConstMatrixView& v, Whitened& point,
            const Context& context) {
  point.w.resize(v.cols(), data.rank_x());
  linalg::multiply_transposed(v, data.colouring, point.w, context);
  // V may lie in the kernel of Sxx up to rounding: what is left of W is then noise, and no gradient is relative to
  // noise.
  point.error_w = 4.0 * kUnitRoundoff * std::sqrt(static_cast<double>(v.rows())) * v.norm() * data.colouring.norm();
  const double size_w = point.w.norm();
  if (size_w <= 4.0 * point.error_w) {
    point.w.setZero();
    point.error_w += size_w;
  }
  point.e.resize(u.rows(), data.rank_x());
  linalg::multiply(u, point.w, point.e, context);
  point.e -= data.cross;
  point.norm_u = u.norm();
  point.norm_w = point.w.norm();
  point.top = data.singular_values.size() > 0 ? data.singular_values(0) : 0.0;
  // Inner products of length n1 over entries of W that carry errors of their own, and the error of M itself.
  point.error = 4.0 * kUnitRoundoff * std::sqrt(static_cast<double>(v.cols())) * point.norm_u * point.norm_w +
                point.norm_u * point.error_w + data.noise();
}

// sigma_1; without any (Sigma = 0) the size of the targets, without targets that of the weights.
double gradient_scale(const SpectralData& data, const Whitened& point) {
  if (data.rank > 0) return point.top;
  return data.total > 0.0 ? std::sqrt(data.total) : point.norm_u * point.norm_w;
}

// Between 0 and 1: whether a layer is there at all. One that is tiny beside a balanced one on these data counts less,
// unless the product is large all the same: a layer of rounding errors has directions, yet what it does is nothing.
double presence(const Whitened& point, double layer, double scale) {
  if (!(scale > 0.0)) return 1.0;
  return std::min(1.0, std::max(point.norm_u * point.norm_w / scale, layer / std::sqrt(scale)));
}

// Each layer's gradient relative to what the other layer could make of the data: |2 E W^T| / (2 |W| sigma_1) and
// |2 U^T E| / (2 |U| sigma_1) (THEORY 12b.3). Unbalanced weights cannot hide a gradient.
double relative_gradient(const SpectralData& data, const Whitened& point, double grad_u, double grad_w) {
  const double scale = gradient_scale(data, point);
  const auto relative = [&](double gradient, double other) {
    if (!(gradient > 0.0)) return 0.0;
    return presence(point, other, scale) * gradient / (2.0 * other * scale);
  };
  return std::max(relative(grad_u, point.norm_w), relative(grad_w, point.norm_u));
}

// Relative gradient that the rounding of E and of W can produce, or hide.
double gradient_floor(const SpectralData& data, const Whitened& point) {
  const double scale = gradient_scale(data, point);
  if (!(scale > 0.0)) return 0.0;
  return std::max(point.error / scale, point.error_w / std::sqrt(scale));
}

// Half the smallest positive singular value of M: at a critical point those of U W are among those of M (THEORY 3.7).
double rank_threshold(const SpectralData& data) {
  return data.rank > 0 ? 0.5 * data.singular_values(data.rank - 1) : data.noise();
}

void decide_rank(const SpectralData& data, const Vector& singular_values, Classification& result) {
  const double threshold = rank_threshold(data);
  result.rank_margin = 1.0;
  for (Index i = 0; i < singular_values.size(); ++i) {
    if (singular_values(i) > threshold) ++result.rank;
    if (threshold > 0.0)
      result.rank_margin = std::min(result.rank_margin, std::abs(singular_values(i) - threshold) / threshold);
  }
}

// SVD of Z = U W through the n1 x n1 core when that is smaller.
linalg::ThinSvd product_svd(const ConstMatrixView& u, const Matrix& w, const Context& context) {
  const Index hidden = w.rows();
  if (hidden >= std::min(u.rows(), w.cols())) return linalg::thin_svd(u * w, context);
  const Matrix qu = linalg::orthonormal_columns(u), qw = linalg::orthonormal_columns(w.transpose());
  const Matrix core = (qu.transpose() * u) * (w * qw);
  linalg::ThinSvd svd = linalg::thin_svd(core, context);
  svd.left = (qu * svd.left).eval();
  svd.right = (qw * svd.right).eval();
  return svd;
}

// Rank of Z = U W where no vectors are needed. With U^T U = L L^T the singular values are the roots of the eigenvalues
// of S = L^T (W W^T) L, and a Cholesky factorisation of S - 4 threshold^2 says without computing them that all are
// clear. The squares lose half the digits, which the threshold can afford unless it is tiny.
void decide_rank_only(const SpectralData& data, const ConstMatrixView& u, Whitened& point, Classification& result,
                      const Context& context) {
  const Index hidden = u.cols();
  const double threshold = rank_threshold(data);
  const bool squares = hidden <= std::min<Index>({u.rows(), point.w.cols(), 100}) &&
                       threshold >= 1e-5 * (point.norm_u * point.norm_w + point.top);
  point.gram.resize(squares ? hidden : 0, squares ? hidden : 0);
  if (squares) linalg::multiply_transposed(u, u, point.gram, Context{});
  if (!squares || !linalg::cholesky(point.gram, Context{})) {
    decide_rank(data, product_svd(u, point.w, context).values, result);
    return;
  }
  point.upper.setZero(hidden, hidden);
  point.upper.triangularView<Eigen::Upper>() = point.gram.transpose();
  point.rows.resize(hidden, point.w.cols());
  point.s.resize(hidden, hidden);
  linalg::multiply(point.upper, point.w, point.rows, Context{});
  linalg::multiply_by_transposed(point.rows, point.rows, point.s, Context{});
  // Rounding in forming S is a few u times its trace.
  point.gram = point.s;
  point.gram.diagonal().array() -=
      4.0 * square(threshold) + 64.0 * kUnitRoundoff * static_cast<double>(hidden) * point.s.trace();
  if (linalg::cholesky(point.gram, Context{}))
    result.rank = hidden;
  else
    decide_rank(data, linalg::symmetric_eigenvalues(point.s).cwiseMax(0.0).cwiseSqrt().reverse(), result);
}

// H[(x dU, y dV)] = 2 (a x^2 + 2 b x y + c y^2) + 4 g x y for a pair of directions of the two layers.
struct PairForm {
  double a, b, c, g;
  double norm_u, norm_v;  // |dU|, |dV|

  double curvature(double x, double y) const {
    return 2.0 * (a * x * x + 2.0 * b * x * y + c * y * y) + 4.0 * g * x * y;
  }
  double magnitude(double x, double y) const {
    return 2.0 * (a * x * x + 2.0 * std::abs(b * x * y) + c * y * y) + 4.0 * std::abs(g * x * y);
  }
  double rayleigh(double x, double y) const {
    const double norm = square(x * norm_u) + square(y * norm_v);
    return norm > 0.0 ? curvature(x, y) / norm : 0.0;
  }
};

struct Witness {
  WitnessKind kind = WitnessKind::none;
  double curvature = 0.0, scaled_curvature = 0.0, rayleigh = 0.0;
  Matrix du, dv, scaled_du, scaled_dv;
};

// Keeps the pair (x, y), (sx, sy) if its Rayleigh quotient is negative beyond the margin and better than what we have.
void offer(Witness& best, WitnessKind kind, const PairForm& form, double x, double y, double sx, double sy,
           const Matrix& du, const Matrix& dv, double relative_margin, double error) {
  const double curvature = form.curvature(x, y), scaled = form.curvature(sx, sy);
  const auto negative = [&](double value, double p, double q) {
    return value < -(relative_margin * form.magnitude(p, q) + 4.0 * std::abs(p * q) * form.norm_u * error);
  };
  if (!negative(scaled, sx, sy)) return;
  const double rayleigh = std::min(form.rayleigh(x, y), form.rayleigh(sx, sy));
  if (best.kind != WitnessKind::none && rayleigh >= best.rayleigh) return;
  best = {kind, curvature, scaled, rayleigh, x * du, y * dv, sx * du, sy * dv};
}

// Swap witness (THEORY 2.3 ii, in the C-free form; ties by subspaces as in 3.4): q_J the weakest direction that Z uses,
// q_k the strongest that it misses. dU = q_k q_J^T U, dV = (sigma_k / sigma_J) T v_k (W v_J)^T; H = 2 (lambda_J -
// lambda_k).
void offer_swap(Witness& best, const SpectralData& data, const ConstMatrixView& u, const Whitened& point,
                const linalg::ThinSvd& z, const linalg::ThinSvd& e, Index rank, double relative_margin) {
  if (rank == 0 || e.values.size() == 0) return;
  const double sigma_j = z.values(rank - 1), sigma_k = e.values(0);
  if (!(sigma_k > sigma_j)) return;
  const Vector q_j = z.left.col(rank - 1), v_j = z.right.col(rank - 1);
  const Vector q_k = -e.left.col(0), v_k = e.right.col(0);  // E = -sum sigma_k q_k v_k^T
  const double ratio = sigma_k / sigma_j;
  const Vector row = u.transpose() * q_j, column = ratio * (point.w * v_j);  // dU = q_k row^T, dW = column v_k^T
  const Vector image_row = point.w.transpose() * row, image_column = u * column;
  const Vector dv_left = data.whitening * v_k;
  PairForm form;
  form.a = image_row.squaredNorm();
  form.c = image_column.squaredNorm();
  form.b = q_k.dot(image_column) * image_row.dot(v_k);
  form.g = row.dot(column) * q_k.dot(point.e * v_k);
  form.norm_u = row.norm();
  form.norm_v = dv_left.norm() * column.norm();
  const double s = form.a > 0.0 ? std::pow(form.c / form.a, 0.25) : 1.0;
  offer(best, WitnessKind::swap, form, 1.0, 1.0, s, s > 0.0 ? 1.0 / s : 1.0, q_k * row.transpose(),
        dv_left * column.transpose(), relative_margin, point.error * column.norm());
}

// Rank witness (THEORY 2.3 iii): a hidden direction a that U (or W) does not use is fed with the top singular pair of
// Gt = B E^T (n0 x n2). dU = x p a^T, dV = y v a^T with the (x, y) of the smallest Rayleigh quotient, a 2 x 2
// eigenproblem.
void offer_rank(Witness& best, const ConstMatrixView& u, const Whitened& point, const Vector& a, const Vector& p,
                const Vector& v, const Vector& v_image, double g, double relative_margin) {
  const Vector wa = point.w.transpose() * a, ua = u * a;
  PairForm form;
  form.a = wa.squaredNorm();
  form.c = ua.squaredNorm() * v_image.squaredNorm();
  form.b = p.dot(ua) * wa.dot(v_image);
  form.g = g;
  form.norm_u = form.norm_v = 1.0;
  // Smallest eigenpair of 2 [[a, b + g], [b + g, c]].
  const double off = form.b + form.g, half = 0.5 * (form.a - form.c);
  const double radius = std::hypot(half, off);
  if (!(radius > 0.0)) return;
  // The smallest eigenvalue is m - radius, m = (a + c) / 2; of its two expressions take the one without cancellation.
  double x = half > 0.0 ? off : radius - half;
  double y = half > 0.0 ? -(half + radius) : -off;
  const double norm = std::hypot(x, y);
  x /= norm;
  y /= norm;
  const double unit = std::max(std::abs(x), 1e-8);
  x /= unit;  // dU = p a^T with unit factors, as THEORY 2.3 (iii) writes it
  y /= unit;
  offer(best, WitnessKind::rank, form, x, y, x, y, p * a.transpose(), v * a.transpose(), relative_margin,
        point.error * v_image.norm());
}

// A unit vector a that minimises |W^T a| over the (numerical) kernel of U, or over its smallest singular direction.
Vector unused_direction(const Matrix& gram_first, const Matrix& gram_second, const Context& context) {
  const linalg::SymmetricEigen eigen = linalg::symmetric_eigen(gram_first, context);
  const Index n = eigen.values.size();
  const double threshold = 1e-14 * std::max(0.0, eigen.values(n - 1));
  const Index kernel = std::max<Index>(1, (eigen.values.array() <= threshold).count());
  const Matrix basis = eigen.vectors.leftCols(kernel);
  const Matrix restricted = basis.transpose() * gram_second * basis;
  return basis * linalg::symmetric_eigen(restricted, context).vectors.col(0);
}

void offer_ranks(Witness& best, const SpectralData& data, const ConstMatrixView& u, const Whitened& point,
                 double relative_margin, const Context& context) {
  if (data.rank_x() == 0) return;
  // Gt = B E^T = Q (R E^T) without forming n0 x n2
  const Matrix basis = linalg::orthonormal_columns(data.colouring);
  const linalg::ThinSvd svd = linalg::thin_svd((basis.transpose() * data.colouring) * point.e.transpose(), context);
  const double g = svd.values(0);
  if (!(g > 0.0)) return;
  const Vector v = basis * svd.left.col(0), p = svd.right.col(0), v_image = data.colouring.transpose() * v;
  const Matrix gram_u = u.transpose() * u, gram_w = point.w * point.w.transpose();
  offer_rank(best, u, point, unused_direction(gram_u, gram_w, context), p, v, v_image, g, relative_margin);
  offer_rank(best, u, point, unused_direction(gram_w, gram_u, context), p, v, v_image, g, relative_margin);
}

// Numerical rank from singular values; -1 when one of them is too close to the threshold to call.
Index clear_rank(const Vector& values, double noise) {
  if (values.size() == 0 || !(values(0) > noise)) return 0;
  Index rank = 0;
  for (Index i = 0; i < values.size(); ++i) {
    const double relative = values(i) / values(0);
    if (relative > 1e-10 && relative < 1e-6 && values(i) > noise) return -1;
    if (relative >= 1e-6) ++rank;
  }
  return rank;
}

// Morse index and nullity at a critical point with used eigenvalues z^2 and missed ones e^2 (THEORY 12b.7, extended to
// ties, zero eigenvalues and non-zero blocks N1, N2 of the normal form 2.6; derivation in docs/theory).
void count_signs(const SpectralData& data, const linalg::ThinSvd& z, const linalg::ThinSvd& e, const ConstMatrixView& u,
                 const Whitened& point, Index inputs, double tolerance, Classification& result,
                 const Context& context) {
  const Index r = result.rank, missed = data.rank - r, hidden = point.w.rows(), extra = hidden - r;
  const double threshold = rank_threshold(data);
  if (missed < 0 || (e.values.array() > threshold).count() != missed) return;
  const double tie = tie_width(data);
  const double ambiguous = 100.0 * result.gradient_relative * square(point.top);
  Index above = 0, below = 0, equal = 0;
  for (Index s = 0; s < r; ++s)
    for (Index k = 0; k < missed; ++k) {
      const double difference = square(e.values(k)) - square(z.values(s));
      if (std::abs(difference) <= tie)
        ++equal;
      else if (std::abs(difference) <= ambiguous)
        return;
      else
        ++(difference > 0.0 ? above : below);
    }
  result.morse_index = above + extra * missed;
  const double scale = gradient_scale(data, point);
  const auto rank_of = [&](const ConstMatrixView& layer, double norm, double noise) {
    return presence(point, norm, scale) < tolerance ? Index{0}
                                                    : clear_rank(linalg::thin_svd(layer, context).values, noise);
  };
  const Index rank_u = rank_of(u, point.norm_u, 0.0);
  const Index rank_w = rank_of(point.w, point.norm_w, 4.0 * point.error_w);
  if (rank_u < 0 || rank_w < 0) return;
  const Index idle_outputs = u.rows() - data.rank, idle_inputs = data.rank_x() - data.rank;
  const Index extra_u = rank_u - r, extra_w = rank_w - r;  // ranks of N2 and N1
  const Index positive = 2 * below + equal + above + r * r + r * (idle_inputs + idle_outputs) + extra * missed +
                         extra_u * idle_inputs + extra_w * idle_outputs - extra_u * extra_w;
  result.nullity = hidden * (inputs + u.rows()) - result.morse_index - positive;
}

// S = { i : q_i is a left singular vector of Z }, when its eigenvalues are isolated from their neighbours.
void match_indices(const SpectralData& data, const linalg::ThinSvd& z, Index rank, Directions& directions) {
  const double tie = tie_width(data);
  const auto lambda = [&](Index i) { return i < data.singular_values.size() ? square(data.singular_values(i)) : 0.0; };
  Eigen::VectorXi indices(rank);
  for (Index s = 0; s < rank; ++s) {
    Index i = 0;
    const double overlap = (data.left.transpose() * z.left.col(s)).cwiseAbs2().maxCoeff(&i);
    const bool isolated = (i == 0 || lambda(i - 1) - lambda(i) > tie) && lambda(i) - lambda(i + 1) > tie;
    if (overlap < 0.99 || !isolated) return;
    indices(s) = static_cast<int>(i);
  }
  std::sort(indices.data(), indices.data() + rank);
  directions.indices_defined = std::adjacent_find(indices.data(), indices.data() + rank) == indices.data() + rank;
  if (directions.indices_defined) directions.indices = indices;
}

void settle(Classification& result, const SpectralData& data, const Whitened& point, double tolerance) {
  const double rounding_floor = gradient_floor(data, point);
  const double scale = data.total > 0.0 ? data.total : square(point.norm_u * point.norm_w);  // Y = 0: the weights'
  // Rounding may hide a gradient as well as make one: nothing is critical below its floor.
  const double g = std::max(result.gradient_relative, rounding_floor);
  if (result.gradient_relative > kNearFactor * std::max(tolerance, rounding_floor)) {
    result.kind = Kind::not_critical;
    result.reason = Reason::gradient;
  } else if (g > tolerance) {
    result.kind = Kind::undetermined;
    result.reason = rounding_floor > tolerance ? Reason::rounding_gradient : Reason::near_tolerance;
  } else if (result.gap <= result.resolution) {
    // Directions that are neither zero nor resolved could be put to work by hidden units that are free.
    const bool unresolved = data.unresolved > 0 && point.w.rows() > data.rank;
    const bool fine = result.resolution <= kCoarse * scale && !unresolved;
    const bool clear = fine && smallest_saddle_gap(data, point.w.rows()) > kNearFactor * result.resolution;
    result.kind = clear ? Kind::global_minimum : Kind::undetermined;
    result.reason = clear ? Reason::gap_closed : fine ? Reason::near_tie : Reason::coarse_resolution;
  } else if (result.witness != WitnessKind::none) {
    result.kind = Kind::strict_saddle;
    result.reason = Reason::negative_curvature;
  } else {
    result.kind = Kind::undetermined;
    result.reason = Reason::no_witness;
  }
}

}  // namespace

double smallest_saddle_gap(const SpectralData& data, Index hidden) {
  const Index rho = std::min(hidden, data.rank);
  if (rho == 0) return std::numeric_limits<double>::infinity();
  const double last = square(data.singular_values(rho - 1)), tie = tie_width(data);
  for (Index k = rho; k < data.rank && hidden < data.rank; ++k) {
    const double gap = last - square(data.singular_values(k));
    if (gap > tie) return gap;
  }
  return last;
}

Classification classify(const SpectralData& data, const ConstMatrixView& u, const ConstMatrixView& v, double tolerance,
                        Directions* directions, Whitened& point, const Context& context) {
  Classification result;
  const Index hidden = u.cols();
  whiten(data, u, v, point, context);
  // dR/dU = 2 E W^T (n2 x n1),  dR/dW = 2 U^T E (n1 x rx),  dR/dV = B (dR/dW)^T
  point.half_u.resize(u.rows(), hidden);
  point.half_w.resize(hidden, data.rank_x());
  point.half_v.resize(v.rows(), hidden);
  linalg::multiply_by_transposed(point.e, point.w, point.half_u, context);
  linalg::multiply_transposed(u, point.e, point.half_w, context);
  linalg::multiply_by_transposed(data.colouring, point.half_w, point.half_v, context);
  const double grad_u = 2.0 * point.half_u.norm(), grad_w = 2.0 * point.half_w.norm();
  result.gradient = std::hypot(grad_u, 2.0 * point.half_v.norm());
  result.gradient_relative = relative_gradient(data, point, grad_u, grad_w);

  const double norm_e = point.e.norm();
  const Index used = std::min(hidden, data.singular_values.size());
  const double unreachable = data.singular_values.tail(data.singular_values.size() - used).squaredNorm();
  result.value = data.minimum_risk + square(norm_e);
  result.gap = std::max(0.0, square(norm_e) - unreachable);
  result.gap_margin = 2.0 * norm_e * point.error + square(point.error) +
                      8.0 * kUnitRoundoff * static_cast<double>(u.rows()) * square(norm_e);
  result.resolution = result.gap_margin + kNearFactor * result.gradient_relative * square(point.top);
  const double rounding_floor = gradient_floor(data, point);

  const bool maybe_critical = result.gradient_relative <= kNearFactor * std::max(tolerance, rounding_floor);
  if (!maybe_critical) {
    decide_rank_only(data, u, point, result, context);
  } else {
    const linalg::ThinSvd z = product_svd(u, point.w, context), e = linalg::thin_svd(point.e, context);
    decide_rank(data, z.values, result);
    count_signs(data, z, e, u, point, v.rows(), tolerance, result, context);
    Witness witness;
    const double margin = 64.0 * kUnitRoundoff * static_cast<double>(hidden + u.rows() + data.rank_x()) +
                          kNearFactor * (result.gradient_relative + rounding_floor);
    offer_swap(witness, data, u, point, z, e, result.rank, margin);
    if (result.rank < hidden) offer_ranks(witness, data, u, point, margin, context);
    if (result.gap > result.resolution) {
      result.witness = witness.kind;
      result.curvature = witness.curvature;
      result.scaled_curvature = witness.scaled_curvature;
      result.rayleigh = witness.rayleigh;
    }
    if (directions != nullptr) {
      match_indices(data, z, result.rank, *directions);
      if (result.witness != WitnessKind::none) {
        directions->du = witness.du;
        directions->dv = witness.dv;
        directions->scaled_du = witness.scaled_du;
        directions->scaled_dv = witness.scaled_dv;
      }
    }
  }
  const Index top = std::min(result.rank, data.singular_values.size());
  result.deficit = data.singular_values.head(top).squaredNorm() - (point.e + data.cross).squaredNorm();
  settle(result, data, point, tolerance);
  if ((result.kind != Kind::global_minimum && result.kind != Kind::strict_saddle) || data.unresolved > 0)
    result.morse_index = result.nullity = -1;
  return result;
}

}  // namespace landscape::linear
