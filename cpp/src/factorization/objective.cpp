#include "landscape/factorization/objective.hpp"

#include <algorithm>
#include <cmath>

#include "kernels.hpp"
#include "landscape/parallel.hpp"

namespace landscape::factorization {

namespace {

// Sum of body(range) over ranges, added in their order.
template <class Body>
double ordered_sum(Index ranges, const Context& context, Body&& body) {
  Vector partial(ranges);
  parallel_for(ranges, context, [&](Index range, int) { partial[range] = body(range); });
  double sum = 0.0;
  for (Index range = 0; range < ranges; ++range) sum += partial[range];
  return sum;
}

// Sum of body(k) over entries, in stretches whose length depends on nothing.
template <class Body>
double sum_entries(Index entries, const Context& context, Body&& body) {
  constexpr Index stretch = 4096;
  constexpr Index cost = 4;  // of one entry, in multiplications
  return ordered_sum((entries + stretch - 1) / stretch, kernels::sized(context, cost * entries), [&](Index s) {
    double sum = 0.0;
    for (Index k = s * stretch; k < std::min(entries, (s + 1) * stretch); ++k) sum += body(k);
    return sum;
  });
}

// body(i, k, live, rows) for the entries of the rows i of one range, in groups of four.
template <class Body>
void for_entries(const Observed& o, Index range, const double* base, Index stride, Body&& body) {
  for (Index i = o.row_ranges[range].first; i < o.row_ranges[range].last; ++i)
    kernels::groups(o.column.data(), o.row_start[i], o.row_start[i + 1], base, stride,
                    [&](Index k, int live, const double* const* rows) { body(i, k, live, rows); });
}

}  // namespace

Matrix stack(const ConstMatrixView& u, const ConstMatrixView& v) {
  Matrix w = Matrix::Zero(u.rows() + v.rows(), padded(u.cols()));
  w.topLeftCorner(u.rows(), u.cols()) = u;
  w.bottomLeftCorner(v.rows(), v.cols()) = v;
  return w;
}

double inner(const Matrix& a, const Matrix& b, const Context& context) {
  constexpr Index block = 128;
  return ordered_sum((a.rows() + block - 1) / block, kernels::sized(context, a.size()), [&](Index s) {
    const Index first = s * block, rows = std::min(block, a.rows() - first);
    return ConstVectorMap(a.data() + first * a.cols(), rows * a.cols())
        .dot(ConstVectorMap(b.data() + first * b.cols(), rows * b.cols()));
  });
}

double Objective::curvature() const {
  return observed_->largest_weight() * with_loss(loss_, [](auto loss) { return decltype(loss)::curvature; });
}

double Objective::value(const Matrix& w, const Context& context) const {
  const Observed& o = *observed_;
  const Index width = w.cols();
  const double* v = w.data() + o.n2 * width;
  const double losses = with_loss(loss_, [&](auto loss) {
    return ordered_sum(static_cast<Index>(o.row_ranges.size()), context, [&](Index range) {
      double sum = 0.0;
      for_entries(o, range, v, width, [&](Index i, Index k, int live, const double* const* rows) {
        double z[4];
        kernels::dot4(w.data() + i * width, rows, width, z);
        for (int q = 0; q < live; ++q) sum += o.weight(k + q) * loss.value(z[q], o.y[k + q]);
      });
      return sum;
    });
  });
  return losses + 0.5 * lam_ * inner(w, w, context);
}

double Objective::gradient(const Matrix& w, Matrix& gradient, Vector& derivative, Vector& second,
                           const Context& context) const {
  const Observed& o = *observed_;
  const Index width = w.cols();
  const double* v = w.data() + o.n2 * width;
  gradient.resize(w.rows(), width);
  derivative.resize(o.entries());
  second.resize(o.entries());
  const double losses = with_loss(loss_, [&](auto loss) {
    return ordered_sum(static_cast<Index>(o.row_ranges.size()), context, [&](Index range) {
      double sum = 0.0;
      for (Index i = o.row_ranges[range].first; i < o.row_ranges[range].last; ++i) {
        const double* u_i = w.data() + i * width;
        double* g_i = gradient.data() + i * width;
        for (Index t = 0; t < width; ++t) g_i[t] = lam_ * u_i[t];
        kernels::groups(o.column.data(), o.row_start[i], o.row_start[i + 1], v, width,
                        [&](Index k, int live, const double* const* rows) {
                          double z[4], g[4] = {};
                          kernels::dot4(u_i, rows, width, z);
                          for (int q = 0; q < live; ++q) {
                            const double c = o.weight(k + q), y = o.y[k + q];
                            sum += c * loss.value(z[q], y);
                            derivative[k + q] = g[q] = c * loss.derivative(z[q], y);
                            second[k + q] = c * loss.second(z[q], y);
                          }
                          kernels::add4(g, rows, width, g_i);
                        });
      }
      return sum;
    });
  });
  parallel_for(static_cast<Index>(o.column_ranges.size()), context, [&](Index range, int) {
    for (Index j = o.column_ranges[range].first; j < o.column_ranges[range].last; ++j) {
      double* g_j = gradient.data() + (o.n2 + j) * width;
      for (Index t = 0; t < width; ++t) g_j[t] = lam_ * v[j * width + t];
      kernels::groups(o.row.data(), o.column_start[j], o.column_start[j + 1], w.data(), width,
                      [&](Index k, int live, const double* const* rows) {
                        double g[4] = {};
                        for (int q = 0; q < live; ++q) g[q] = derivative[o.by_rows[k + q]];
                        kernels::add4(g, rows, width, g_j);
                      });
    }
  });
  return losses + 0.5 * lam_ * inner(w, w, context);
}

double Objective::residual(const ConstMatrixView& u, const ConstMatrixView& v, Vector& e,
                           const Context& context) const {
  const Observed& o = *observed_;
  const Matrix w = stack(u, v);
  const Index width = w.cols();
  e.resize(o.entries());
  return with_loss(loss_, [&](auto loss) {
    return ordered_sum(static_cast<Index>(o.row_ranges.size()), context, [&](Index range) {
      double sum = 0.0;
      for_entries(o, range, w.data() + o.n2 * width, width, [&](Index i, Index k, int live, const double* const* rows) {
        double z[4];
        kernels::dot4(w.data() + i * width, rows, width, z);
        for (int q = 0; q < live; ++q) {
          sum += o.weight(k + q) * loss.value(z[q], o.y[k + q]);
          e[k + q] = -o.weight(k + q) * loss.derivative(z[q], o.y[k + q]);
        }
      });
      return sum;
    });
  });
}

double Objective::dual_value(const Vector& e, double polar_upper, const Context& context) const {
  const Observed& o = *observed_;
  // a = G / c where c > 0; entries of weight zero have G = 0 and take no part
  const auto slope_of = [&](Index k) { return o.weight(k) > 0.0 ? -e[k] / o.weight(k) : 0.0; };
  return with_loss(loss_, [&](auto loss) {
    double reach = polar_upper > 0.0 ? lam_ / polar_upper : std::numeric_limits<double>::infinity();
    for (Index k = 0; k < o.entries(); ++k)
      if (o.weight(k) > 0.0) reach = std::min(reach, loss.dual_reach(slope_of(k), o.y[k]));
    const auto dual = [&](double s) {
      return -sum_entries(o.entries(), context,
                          [&](Index k) { return o.weight(k) * loss.conjugate(s * slope_of(k), o.y[k]); });
    };
    // d is concave; its derivative is -sum of c a l*'(s a)
    const auto rising = [&](double s) {
      return sum_entries(o.entries(), context, [&](Index k) {
               const double a = slope_of(k);
               return a == 0.0 ? 0.0 : -o.weight(k) * a * loss.conjugate_derivative(s * a, o.y[k]);
             }) >= 0.0;
    };
    if (loss_.kind != LossKind::logistic) {
      // d(s) = s <E, Y> - 1/2 s^2 sum of E^2 / c
      const double linear = sum_entries(o.entries(), context, [&](Index k) { return e[k] * o.y[k]; });
      const double square = sum_entries(o.entries(), context, [&](Index k) { return -e[k] * slope_of(k); });
      const double best = square > 0.0 ? std::clamp(linear / square, 0.0, reach) : 0.0;
      return std::max(0.0, best * (linear - 0.5 * best * square));
    }
    if (!std::isfinite(reach)) reach = 1.0;
    if (rising(reach)) return std::max(0.0, dual(reach));
    double low = 0.0, high = reach;
    for (int step = 0; step < 60 && high - low > 1e-12 * high; ++step) {
      const double middle = 0.5 * (low + high);
      (rising(middle) ? low : high) = middle;
    }
    return std::max(0.0, dual(low));
  });
}

void Objective::line(const Matrix& w, const Matrix& d, Line& line, const Context& context) const {
  const Observed& o = *observed_;
  const Index width = w.cols();
  line.z.resize(o.entries());
  line.b.resize(o.entries());
  line.q.resize(o.entries());
  const double *v = w.data() + o.n2 * width, *d_v = d.data() + o.n2 * width;
  parallel_for(static_cast<Index>(o.row_ranges.size()), context, [&](Index range, int) {
    for_entries(o, range, v, width, [&](Index i, Index k, int live, const double* const* rows) {
      const double *moved[4], *u_i = w.data() + i * width, *d_i = d.data() + i * width;
      for (int q = 0; q < 4; ++q) moved[q] = d_v + (rows[q] - v);
      double z[4], b_u[4], b_v[4], square[4];
      kernels::dot4(u_i, rows, width, z);
      kernels::dot4(d_i, rows, width, b_u);
      kernels::dot4(u_i, moved, width, b_v);
      kernels::dot4(d_i, moved, width, square);
      for (int q = 0; q < live; ++q) {
        line.z[k + q] = z[q];
        line.b[k + q] = b_u[q] + b_v[q];
        line.q[k + q] = square[q];
      }
    });
  });
  line.w0 = inner(w, w, context);
  line.w1 = inner(w, d, context);
  line.w2 = inner(d, d, context);
}

double Objective::change(const Line& line, double t, const Context& context) const {
  const Observed& o = *observed_;
  const double losses = with_loss(loss_, [&](auto loss) {
    return sum_entries(o.entries(), context, [&](Index k) {
      const double step = t * (line.b[k] + t * line.q[k]), z = line.z[k], y = o.y[k];
      if constexpr (std::is_same_v<decltype(loss), SquaredLoss>)
        return o.weight(k) * step * (z - y + 0.5 * step);
      else
        return o.weight(k) * (loss.value(z + step, y) - loss.value(z, y));
    });
  });
  return losses + lam_ * t * (line.w1 + 0.5 * t * line.w2);
}

void Objective::slope(const Line& line, double t, double& first, double& second, const Context& context) const {
  const Observed& o = *observed_;
  with_loss(loss_, [&](auto loss) {
    const auto at = [&](Index k) { return line.z[k] + t * (line.b[k] + t * line.q[k]); };
    const auto speed = [&](Index k) { return line.b[k] + 2.0 * t * line.q[k]; };
    first = sum_entries(o.entries(), context,
                        [&](Index k) { return o.weight(k) * loss.derivative(at(k), o.y[k]) * speed(k); });
    second = sum_entries(o.entries(), context, [&](Index k) {
      const double z = at(k), s = speed(k);
      return o.weight(k) * (loss.second(z, o.y[k]) * s * s + 2.0 * loss.derivative(z, o.y[k]) * line.q[k]);
    });
    return 0;
  });
  first += lam_ * (line.w1 + t * line.w2);
  second += lam_ * line.w2;
}

void FactorHessian::set(const Objective& objective, const Matrix& w, const Vector& derivative, const Vector& second,
                        const Context& context) {
  objective_ = &objective;
  derivative_ = &derivative;
  second_ = &second;
  width_ = w.cols();
  pair_.resize(w.rows(), 2 * width_);
  change_.resize(derivative.size());
  kernels::for_rows(w.rows(), 2 * width_, context, [&](Index r, Index n) {
    pair_.block(r, 0, n, width_) = w.middleRows(r, n);
    pair_.block(r, width_, n, width_).setZero();
  });
}

void FactorHessian::advance(const Matrix& z, double beta, const Context& context) {
  kernels::for_rows(z.rows(), 2 * width_, context, [&](Index r, Index n) {
    pair_.block(r, width_, n, width_) = z.middleRows(r, n) + beta * pair_.block(r, width_, n, width_);
  });
}

double FactorHessian::apply(Matrix& h, const Context& context) {
  const Observed& o = objective_->observed();
  const double lam = objective_->lam();
  const Index width = width_, stride = 2 * width_;
  const Index row_ranges = static_cast<Index>(o.row_ranges.size()),
              column_ranges = static_cast<Index>(o.column_ranges.size());
  h.resize(pair_.rows(), width);
  partial_.setZero(row_ranges + column_ranges);
  const Vector &derivative = *derivative_, &second = *second_;
  const double* v = pair_.data() + o.n2 * stride;
  const auto along = [&](Index row) { return pair_.row(row).tail(width).dot(h.row(row)); };
  parallel_for(row_ranges, context, [&](Index range, int) {
    Vector swapped(stride);  // [dU_i | U_i], so that <swapped, [V_j | dV_j]> = dU_i . V_j + U_i . dV_j
    for (Index i = o.row_ranges[range].first; i < o.row_ranges[range].last; ++i) {
      const double* pair_i = pair_.data() + i * stride;
      double* h_i = h.data() + i * width;
      for (Index t = 0; t < width; ++t) {
        swapped[t] = pair_i[width + t];
        swapped[width + t] = pair_i[t];
        h_i[t] = lam * pair_i[width + t];
      }
      kernels::groups(o.column.data(), o.row_start[i], o.row_start[i + 1], v, stride,
                      [&](Index k, int live, const double* const* rows) {
                        double change[4], q[4] = {}, g[4] = {};
                        kernels::dot4(swapped.data(), rows, stride, change);
                        for (int e = 0; e < live; ++e) {
                          change_[k + e] = q[e] = second[k + e] * change[e];
                          g[e] = derivative[k + e];
                        }
                        kernels::add4_pair(q, g, rows, width, h_i);
                      });
      partial_[range] += along(i);
    }
  });
  parallel_for(column_ranges, context, [&](Index range, int) {
    for (Index j = o.column_ranges[range].first; j < o.column_ranges[range].last; ++j) {
      double* h_j = h.data() + (o.n2 + j) * width;
      const double* d_j = v + j * stride + width;
      for (Index t = 0; t < width; ++t) h_j[t] = lam * d_j[t];
      kernels::groups(o.row.data(), o.column_start[j], o.column_start[j + 1], pair_.data(), stride,
                      [&](Index k, int live, const double* const* rows) {
                        double q[4] = {}, g[4] = {};
                        for (int e = 0; e < live; ++e) {
                          q[e] = change_[o.by_rows[k + e]];
                          g[e] = derivative[o.by_rows[k + e]];
                        }
                        kernels::add4_pair(q, g, rows, width, h_j);
                      });
      partial_[row_ranges + range] += along(o.n2 + j);
    }
  });
  double curvature = 0.0;
  for (Index range = 0; range < partial_.size(); ++range) curvature += partial_[range];
  return curvature;
}

}  // namespace landscape::factorization
