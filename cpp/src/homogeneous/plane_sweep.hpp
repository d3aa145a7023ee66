// One plane T^perp of an arrangement: all pieces into which the other hyperplanes cut it, and all faces around them.
//
// A piece and its opposite are visited together, A(-w) = total - A(w). A face on which P of the hyperplanes T* that
// contain the plane are positive and Z vanish has A = A_piece + sum_P jump, restricted to the complement of Z.
//
// A face is looked into from few of its pieces. Where v is inside a cone F, the nearest point of its boundary is the
// foot of v on one of its facets, whose nearest boundary point is the foot on one of its facets, and so on: for some
// T and a piece of T^perp on the boundary of F, the projection P_T v lies in that piece. With nL = 1 v is along A^T,
// and P_T A^T is the same for all faces at the piece.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "arrangement.hpp"
#include "leading_pair.hpp"
#include "local_faces.hpp"
#include "plane_order.hpp"

namespace landscape::homogeneous {

struct LocalMaximum {
  double value = -1.0;
  Vector w;
};

// What some planes contributed, merged in their order.
struct Harvest {
  LocalMaximum best;
  double upper = 0.0;  // over the faces that could not be left out
  double gap = 0.0;    // the largest l1 - l2 of a face that was left to its boundary
  std::vector<LocalMaximum> maxima;
  Index planes = 0, pieces = 0, evaluations = 0;
};

template <int D, int Outputs>
class PlaneSweep {
 public:
  using Span = typename PlaneOrder<D>::Span;

  PlaneSweep(const ScaledUnits& units, const Arrangement& arrangement, double threshold)
      : units_(units), a_(arrangement), order_(arrangement), threshold_(threshold) {
    const std::size_t size = static_cast<std::size_t>(D * a_.outputs);
    sum_.resize(size);
    matrix_.resize(size);
    restricted_.resize(size);
    std::vector<Index> members;
    std::vector<int> axes;
    for (int i = 0; i < D - 2; ++i) {
      members.push_back(i);
      axes.push_back(i);
    }
    independent_ = local_patterns(local_faces(Matrix::Identity(D - 2, D - 2), members, axes));
  }

  // `attained`: faces below it are not looked into.
  void begin(double attained, Harvest& harvest) {
    attained_ = attained;
    harvest_ = &harvest;
    last_.resize(0);
  }

  void run(const Span& t) {
    if (!order_.set(t)) return;
    ++harvest_->planes;
    in_plane_ = LocalMaximum{};
    raise_gates();
    patterns_ = &independent_;
    if (order_.span().size() > t.size()) {
      const auto& c = order_.coordinates();
      dependent_ = local_patterns(local_faces(a_.normals, order_.span(), std::vector<int>(c.begin(), c.end())));
      patterns_ = &dependent_;
    }
    sweep();
    if (in_plane_.value >= threshold_) harvest_->maxima.push_back(in_plane_);
  }

 private:
  using Point = std::array<double, D>;
  using Form = std::array<double, D * D>;

  struct Piece {
    Index k;   // before event k
    int side;  // -1: the opposite one
  };
  // w maximises |A w|; |A w| is within `error` of the exact maximum, w within `angle` of where it is.
  struct Top {
    Point w{};
    double value = 0.0, error = 0.0, angle = 0.0;
    bool isolated = true;  // from the second eigenvalue; else the boundary may be short of it by `gap`, squared
    double gap = 0.0;
  };

  // A is nL x D, entry (l, c) at c nL + l
  Index outputs() const { return Outputs == 1 ? 1 : a_.outputs; }
  std::size_t entries() const { return static_cast<std::size_t>(D * outputs()); }
  static double norm(const double* values, std::size_t size) {
    double sum = 0.0;
    for (std::size_t j = 0; j < size; ++j) sum += values[j] * values[j];
    return std::sqrt(sum);
  }
  static double length_of(double u, double v) { return std::sqrt(u * u + v * v); }
  static double dot(const Point& a, const Point& b) {
    double sum = 0.0;
    for (int c = 0; c < D; ++c) sum += a[at(c)] * b[at(c)];
    return sum;
  }
  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }
  static double scale_to_unit(Point& w) {
    const double length = norm(w.data(), w.size());
    for (double& entry : w) entry /= length;
    return length;
  }
  // A w (nL)
  void multiply(const Point& w, double* out) const {
    for (Index l = 0; l < outputs(); ++l) out[l] = 0.0;
    for (int c = 0; c < D; ++c)
      for (Index l = 0; l < outputs(); ++l) out[l] += matrix_[at(c * outputs() + l)] * w[at(c)];
  }
  Form gram(const double* a) const {
    Form m;
    for (int c = 0; c < D; ++c)
      for (int e = c; e < D; ++e) {
        double sum = 0.0;
        for (Index l = 0; l < outputs(); ++l) sum += a[c * outputs() + l] * a[e * outputs() + l];
        m[at(c * D + e)] = m[at(e * D + c)] = sum;
      }
    return m;
  }

  // A of the piece or its opposite, and a pattern
  void convert(int side, std::size_t pattern) {
    const std::int64_t* const offset = offsets_.data() + pattern * entries();
    for (std::size_t j = 0; j < entries(); ++j) {
      const std::int64_t sum = side > 0 ? sum_[j] : total_[j] - sum_[j];
      matrix_[j] = a_.unit * static_cast<double>(sum + offset[j]);
    }
  }
  // z . w turns from + to -
  void pass(const typename PlaneOrder<D>::Event& event, std::int64_t* sum) const {
    const std::int64_t* const jump = a_.jumps.data() + at(event.hyperplane) * entries();
    const std::int64_t mask = -static_cast<std::int64_t>(event.side > 0);
    for (std::size_t e = 0; e < entries(); ++e) sum[e] += (jump[e] ^ mask) - mask;  // + jump or - jump
  }
  void measure() {
    size_ = norm(matrix_.data(), matrix_.size());
    matrix_error_ = a_.error + PlaneOrder<D>::kRounding * size_;
  }

  // Is max |A w| <= the gate? A^T A is nL D u |A|_F^2 off at most, its Cholesky factor D (D + 1) u gate^2.
  bool below_gate() const {
    double squared = 0.0;
    for (std::size_t j = 0; j < entries(); ++j) squared += matrix_[j] * matrix_[j];
    if (Outputs == 1 || squared <= gate_squared_) {
      return squared <= gate_squared_;
    } else {
      // gate^2 I - A^T A has a Cholesky factor
      Form s = gram(matrix_.data());
      for (int c = 0; c < D; ++c) {
        const double pivot = gate_squared_ - s[at(c * D + c)];
        if (!(pivot > 0.0)) return false;
        for (int e = c + 1; e < D; ++e) {
          const double factor = s[at(c * D + e)] / pivot;
          for (int f = e; f < D; ++f) s[at(e * D + f)] += factor * s[at(c * D + f)];
        }
      }
      return true;
    }
  }

  // Whether (u, v), known up to margin / |z|, or its opposite may lie in the piece: for k > 0 between z_{k-1} . w <= 0
  // and z_k . w >= 0, for k = 0 where both z_0 . w and z_{n-1} . w are, and on the opposite piece the other way around.
  struct Sides {
    bool plus, minus;
    // t >= 0 is required
    void exclude(double t, double margin) {
      plus = plus && !(t < -margin);
      minus = minus && !(t > margin);
    }
  };
  Sides in_piece(const Piece& piece, double u, double v, double margin) const {
    const auto& z = order_.events();
    if (z.empty()) return {true, true};
    const auto &next = z[at(piece.k)], &last = piece.k > 0 ? z[at(piece.k - 1)] : z.back();
    const double to_next = piece.side * (next.u * u + next.v * v);
    const double to_last = (piece.k > 0 ? -piece.side : piece.side) * (last.u * u + last.v * v);
    Sides here{true, true};
    here.exclude(to_next, margin);
    here.exclude(to_last, margin);
    return here;
  }
  // By all events, from the piece outwards; z . w is + before event k and - behind it, product(z) = z . w.
  template <class Product>
  void exclude(const Piece& piece, double margin, Sides& here, Product&& product) const {
    const auto& z = order_.events();
    const Index events = static_cast<Index>(z.size());
    for (Index step = 0; step < events && (here.plus || here.minus); ++step) {
      Index k = step % 2 == 0 ? piece.k + step / 2 : piece.k - 1 - step / 2;
      if (k >= events) k -= events;
      if (k < 0) k += events;
      here.exclude((k < piece.k ? -piece.side : piece.side) * product(z[at(k)]), margin);
    }
  }

  void raise_gates() {
    const double best = std::max(attained_, harvest_->best.value);
    gate_ = std::min(best, threshold_);
    plane_gate_ = std::min(best, std::max(threshold_, in_plane_.value));
    gate_squared_ = gate_ * gate_;
    plane_gate_squared_ = plane_gate_ * plane_gate_;
  }

  double form_error(double size, double matrix_error) const {
    return 2.1 * size * matrix_error + (static_cast<double>(outputs()) + 40.0) * kUnitRoundoff * size * size;
  }

  // What the largest singular value of a restricted A may exceed `value` by: sqrt(l1 + error) - sqrt(l1), or as far as
  // |A|_F is above it, which has all its digits where little of A is left.
  double error_of_root(double value, double error, double frobenius) const {
    const double least = std::max(0.0, frobenius * (1.0 + 32.0 * kUnitRoundoff) - value) + matrix_error_;
    return std::min(error / (value + length_of(value, std::sqrt(error))), least);
  }

  void sweep();
  void start();
  void sweep_one_output();
  void look_into_one_output(const Piece& piece, const std::array<double, 2>& y, double margin);
  void look_into_all(const Piece& piece);
  void look_into(const Piece& piece, const LocalPattern& pattern);
  void restrict_to_complement(const std::vector<std::size_t>& vanishing);
  Top top() const;
  bool projects_elsewhere(const Piece& piece) const;
  void interior(const Top& top, const Piece& piece, const LocalPattern& pattern,
                const std::vector<std::size_t>& vanishing);
  void on_plane(const Piece& piece);
  void vertex(const Piece& piece);
  void found(const Top& top, double gate, const Sides& here, bool inside_cell);

  const ScaledUnits& units_;
  const Arrangement& a_;
  PlaneOrder<D> order_;
  double threshold_, attained_ = 0.0, gate_ = 0.0, plane_gate_ = 0.0;
  double gate_squared_ = 0.0, plane_gate_squared_ = 0.0;
  Harvest* harvest_ = nullptr;
  LocalMaximum in_plane_;
  Vector last_;
  ScaledUnits::Workspace space_;
  std::vector<std::int64_t> sum_, total_, offsets_;
  std::vector<double> matrix_, restricted_, y_;
  double size_ = 0.0, matrix_error_ = 0.0;  // |A|_F, and how far A is off, projected or not
  std::vector<LocalPattern> independent_, dependent_;
  const std::vector<LocalPattern>* patterns_ = nullptr;
};

// A before the first event, T* off, and the sum of A(w) and A(-w)
template <int D, int Outputs>
void PlaneSweep<D, Outputs>::start() {
  const std::size_t size = entries();
  sum_ = a_.base;
  std::int64_t* const sum = sum_.data();
  for (const auto& event : order_.events()) {
    const std::int64_t* const jump = a_.jumps.data() + at(event.hyperplane) * size;
    const std::int64_t mask = -static_cast<std::int64_t>(event.side > 0);
    for (std::size_t e = 0; e < size; ++e) sum[e] += jump[e] & mask;
  }
  total_ = a_.total;
  for (const Index t : order_.span())
    for (std::size_t e = 0; e < size; ++e) total_[e] -= a_.jumps[at(t) * size + e];
  offsets_.assign(patterns_->size() * size, 0);
  for (std::size_t p = 0; p < patterns_->size(); ++p)
    for (const std::size_t j : (*patterns_)[p].positive)
      for (std::size_t e = 0; e < size; ++e) offsets_[p * size + e] += a_.jumps[at(order_.span()[j]) * size + e];
}

template <int D, int Outputs>
void PlaneSweep<D, Outputs>::sweep() {
  start();
  const auto& z = order_.events();
  const Index pieces = std::max<Index>(static_cast<Index>(z.size()), 1);
  harvest_->pieces += 2 * pieces;
  if constexpr (Outputs == 1) {
    if (!z.empty()) {
      sweep_one_output();
      return;
    }
  }
  for (Index k = 0; k < pieces; ++k) {
    look_into_all({k, 1});
    look_into_all({k, -1});
    if (!z.empty()) pass(z[at(k)], sum_.data());
  }
}

// With nL = 1 the vector y = P_T A^T is the same for all faces at a piece, and on few pieces it matters: those that
// contain y, and those whose vertex has a value |z x y| / |z| above the gate.
template <int D, int Outputs>
void PlaneSweep<D, Outputs>::sweep_one_output() {
  using Plane = std::array<double, 2>;
  std::array<std::int64_t, D> sum;
  std::copy(sum_.begin(), sum_.end(), sum.begin());
  Point b1 = order_.b1(), b2 = order_.b2();
  for (int c = 0; c < D; ++c) {
    b1[at(c)] *= a_.unit;
    b2[at(c)] *= a_.unit;
  }
  const auto plane_part = [&](const std::int64_t* a) {
    Plane y{};
    for (std::size_t c = 0; c < D; ++c) {
      const double entry = static_cast<double>(a[c]);
      y[0] += b1[c] * entry;
      y[1] += b2[c] * entry;
    }
    return y;
  };
  const Plane total = plane_part(total_.data());
  const double margin = PlaneOrder<D>::kNormalLength * (a_.error + PlaneOrder<D>::kRounding * a_.largest);
  const auto& z = order_.events();
  auto last = z.back();
  last.u = -last.u;
  last.v = -last.v;
  for (Index k = 0; k < static_cast<Index>(z.size()); ++k) {
    const auto& next = z[at(k)];
    const Plane y = plane_part(sum.data()), opposite{total[0] - y[0], total[1] - y[1]};
    const double gate = plane_gate_squared_ * (next.u * next.u + next.v * next.v);
    const auto matters = [&](const Plane& p) {
      const double to_next = next.u * p[0] + next.v * p[1], to_last = last.u * p[0] + last.v * p[1];
      const double reach = std::abs(next.u * p[1] - next.v * p[0]) + 3.0 * margin;
      // z_k . w >= 0 >= z_{k-1} . w, or the other way around
      return (std::min(to_next, to_last) <= margin && std::max(to_next, to_last) >= -margin) || reach * reach > gate;
    };
    if (matters(y) || matters(opposite)) {
      std::copy(sum.begin(), sum.end(), sum_.begin());
      for (const int side : {1, -1}) look_into_one_output({k, side}, side > 0 ? y : opposite, margin);
    }
    pass(next, sum.data());
    last = next;
  }
}

template <int D, int Outputs>
void PlaneSweep<D, Outputs>::look_into_one_output(const Piece& piece, const std::array<double, 2>& y, double margin) {
  const Sides here = in_piece(piece, y[0], y[1], margin);
  if (here.plus || here.minus) {
    look_into_all(piece);
    return;
  }
  convert(piece.side, 0);
  measure();
  y_.assign(y.begin(), y.end());
  vertex(piece);
}

template <int D, int Outputs>
void PlaneSweep<D, Outputs>::look_into_all(const Piece& piece) {
  for (std::size_t p = 0; p < patterns_->size(); ++p) {
    convert(piece.side, p);
    if (!below_gate()) look_into(piece, (*patterns_)[p]);
  }
}

template <int D, int Outputs>
void PlaneSweep<D, Outputs>::look_into(const Piece& piece, const LocalPattern& pattern) {
  measure();
  for (const std::vector<std::size_t>& vanishing : pattern.vanishing) {
    if (vanishing.size() == order_.span().size()) {
      on_plane(piece);
    } else {
      restrict_to_complement(vanishing);
      if (Outputs == 1 || !projects_elsewhere(piece)) interior(top(), piece, pattern, vanishing);
    }
  }
}

// A <- A (I - sum n n^T) over an orthonormal basis n of the span of the normals that vanish; these have rank 1 if there
// is one, else 2, since they do not span all of span T.
template <int D, int Outputs>
void PlaneSweep<D, Outputs>::restrict_to_complement(const std::vector<std::size_t>& vanishing) {
  restricted_ = matrix_;
  Point g{}, n{};
  for (std::size_t i = 0; i < std::min<std::size_t>(vanishing.size(), 2); ++i) {
    for (int c = 0; c < D; ++c) n[at(c)] = a_.normals(c, order_.span()[vanishing[i]]);
    if (i == 0) {
      g = n;
    } else {
      // n |g|^2 - (n . g) g by minors of two rows, without cancellation
      const Point h = n;
      for (int c = 0; c < D; ++c) {
        n[at(c)] = 0.0;
        for (int e = 0; e < D; ++e) {
          SmallMatrix minor;
          minor.order = 2;
          minor(0, 0) = h[at(c)], minor(0, 1) = h[at(e)], minor(1, 0) = g[at(c)], minor(1, 1) = g[at(e)];
          n[at(c)] += g[at(e)] * determinant(minor, false);
        }
      }
    }
    scale_to_unit(n);
    for (Index l = 0; l < outputs(); ++l) {
      double along = 0.0;
      for (int c = 0; c < D; ++c) along += restricted_[at(c * outputs() + l)] * n[at(c)];
      for (int c = 0; c < D; ++c) restricted_[at(c * outputs() + l)] -= along * n[at(c)];
    }
  }
}

template <int D, int Outputs>
typename PlaneSweep<D, Outputs>::Top PlaneSweep<D, Outputs>::top() const {
  Top result;
  if constexpr (Outputs == 1) {
    std::copy(restricted_.begin(), restricted_.end(), result.w.begin());
    result.value = scale_to_unit(result.w);
    if (!(result.value > 0.0)) result.w = Point{1.0};
    result.error = matrix_error_;
    result.angle = 2.0 * matrix_error_ / result.value;
  } else {
    const Form m = gram(restricted_.data());
    const LeadingPair pair = leading_pair(m.data(), D, result.w.data());
    const double error = form_error(size_, matrix_error_);
    result.value = std::sqrt(std::max(0.0, pair.l1));
    result.error = error_of_root(result.value, error, norm(restricted_.data(), restricted_.size()));
    result.isolated = pair.l1 - pair.l2 > 8.0 * error;
    result.gap = std::max(0.0, pair.l1 - pair.l2) + 2.0 * error;
    result.angle = 3.0 * error / (pair.l1 - pair.l2);
  }
  return result;
}

// Is P_T v outside the piece for the top eigenvector v? Up to four squarings of M = A^T A give a rough one w with
// rho = w . M w and residual r. One eigenvalue is within r of rho; the others have the sum and the sum of squares that
// are left, so they are at most b (Samuelson 1968), and if b < rho - r then sin(v, w) <= r / (rho - b).
template <int D, int Outputs>
bool PlaneSweep<D, Outputs>::projects_elsewhere(const Piece& piece) const {
  constexpr double others = D - 1;
  const Form m = gram(restricted_.data());
  double trace = 0.0, squares = 0.0;
  for (int c = 0; c < D; ++c) trace += m[at(c * D + c)];
  for (const double entry : m) squares += entry * entry;
  if (!(trace > 0.0)) return false;
  const double error = form_error(size_, matrix_error_);
  Form power = m;
  double power_trace = trace;
  for (int squaring = 0; squaring < 4; ++squaring) {
    const double scale = 1.0 / power_trace;
    Form next;
    power_trace = 0.0;
    for (int c = 0; c < D; ++c)
      for (int e = c; e < D; ++e) {
        double sum = 0.0;
        for (int f = 0; f < D; ++f) sum += (scale * power[at(c * D + f)]) * (scale * power[at(e * D + f)]);
        next[at(c * D + e)] = next[at(e * D + c)] = sum;
        if (c == e) power_trace += sum;
      }
    power = next;
    if (squaring < 2) continue;
    int column = 0;
    for (int c = 1; c < D; ++c)
      if (power[at(c * D + c)] > power[at(column * D + column)]) column = c;
    Point w, image{};
    for (int c = 0; c < D; ++c) w[at(c)] = power[at(column * D + c)];
    scale_to_unit(w);
    for (int c = 0; c < D; ++c)
      for (int e = 0; e < D; ++e) image[at(c)] += m[at(c * D + e)] * w[at(e)];
    const double rho = dot(w, image);
    double residual = 0.0;
    for (int c = 0; c < D; ++c) residual += (image[at(c)] - rho * w[at(c)]) * (image[at(c)] - rho * w[at(c)]);
    residual = std::sqrt(residual) + 16.0 * D * kUnitRoundoff * trace;
    const double least = std::max(0.0, trace - rho - residual), lowest = std::max(0.0, rho - residual);
    const double spread = squares * (1.0 + 1e-14) - lowest * lowest - least * least / others;
    const double bound = (trace - rho + residual) / others + std::sqrt((others - 1.0) / others * std::max(0.0, spread));
    if (bound + residual + 4.0 * error >= rho) continue;
    const double angle = 1.5 * (residual / (rho - bound) + 2.0 * error / (rho - residual - bound));
    const Sides here = in_piece(piece, dot(w, order_.b1()), dot(w, order_.b2()),
                                PlaneOrder<D>::kNormalLength * (angle + PlaneOrder<D>::kRounding));
    if (!here.plus && !here.minus) return true;
  }
  return false;
}

// Counts the face unless some hyperplanes have w and -w on the wrong side by more than their error.
template <int D, int Outputs>
void PlaneSweep<D, Outputs>::interior(const Top& top, const Piece& piece, const LocalPattern& pattern,
                                      const std::vector<std::size_t>& vanishing) {
  if (top.value + top.error <= gate_) return;
  if (!top.isolated) {
    harvest_->gap = std::max(harvest_->gap, top.gap);
    return;
  }
  const double margin = PlaneOrder<D>::kNormalLength * (top.angle + 16.0 * kUnitRoundoff);
  Sides here{true, true};
  const auto product = [&](Index j) {
    double t = 0.0;
    for (int c = 0; c < D; ++c) t += a_.normals(c, j) * top.w[at(c)];
    return t;
  };
  for (std::size_t j = 0, next = 0; j < pattern.signs.size(); ++j) {
    if (next < vanishing.size() && vanishing[next] == j) {
      ++next;
    } else {
      here.exclude(pattern.signs[j] * product(order_.span()[j]), margin);
    }
  }
  exclude(piece, margin, here, [&](const auto& z) { return z.side * product(z.hyperplane); });
  if (here.plus || here.minus) found(top, gate_, here, vanishing.empty());
}

// The piece itself and the vertex at its event. On the plane f(w) = |Y (cos, sin)|, Y = A (b1, b2).
template <int D, int Outputs>
void PlaneSweep<D, Outputs>::on_plane(const Piece& piece) {
  const bool ends = !order_.events().empty();
  y_.resize(at(2 * outputs()));
  double* const y1 = y_.data();
  double* const y2 = y1 + outputs();
  multiply(order_.b1(), y1);
  multiply(order_.b2(), y2);
  double p = 0.0, r = 0.0, s = 0.0;
  for (Index l = 0; l < outputs(); ++l) {
    p += y1[l] * y1[l];
    r += y2[l] * y2[l];
    s += y1[l] * y2[l];
  }
  Top top;
  double cosine = 1.0, sine = 0.0;
  if constexpr (Outputs == 1) {
    top.value = std::sqrt(p + r);
    top.error = matrix_error_;
    top.angle = 2.0 * matrix_error_ / top.value;
    cosine = y1[0];
    sine = y2[0];
  } else {
    const double half = 0.5 * (p - r), radius = length_of(half, s), error = form_error(size_, matrix_error_);
    top.value = std::sqrt(0.5 * (p + r) + radius);
    top.error = error_of_root(top.value, error, std::sqrt(p + r));
    top.isolated = 2.0 * radius > 8.0 * error || !ends;
    top.gap = 2.0 * radius + 2.0 * error;
    top.angle = 1.5 * error / radius;
    cosine = half > 0.0 ? radius + half : s;
    sine = half > 0.0 ? s : radius - half;
  }
  if (top.value + top.error <= plane_gate_) return;
  if (!top.isolated) {
    harvest_->gap = std::max(harvest_->gap, top.gap);
  } else {
    const double length = length_of(cosine, sine);
    cosine = length > 0.0 ? cosine / length : 1.0;
    sine = length > 0.0 ? sine / length : 0.0;
    const double margin = PlaneOrder<D>::kNormalLength * (top.angle + PlaneOrder<D>::kRounding);
    Sides here = in_piece(piece, cosine, sine, margin);
    // a short z at an end excludes nothing
    exclude(piece, margin, here, [&](const auto& z) { return z.u * cosine + z.v * sine; });
    for (int c = 0; c < D; ++c) top.w[at(c)] = cosine * order_.b1()[at(c)] + sine * order_.b2()[at(c)];
    if (here.plus || here.minus) found(top, plane_gate_, here, false);
  }
  if (ends) vertex(piece);
}

template <int D, int Outputs>
void PlaneSweep<D, Outputs>::vertex(const Piece& piece) {
  // a quarter ahead of z, whose direction is not known well if it is short
  const auto& z = order_.events()[at(piece.k)];
  const double scale = piece.side / length_of(z.u, z.v), cosine = -scale * z.v, sine = scale * z.u;
  const double uncertain = 2.0 * PlaneOrder<D>::kNormalLength * PlaneOrder<D>::kRounding * std::abs(scale);
  double squared = 0.0;
  for (Index l = 0; l < outputs(); ++l) {
    const double entry = cosine * y_[at(l)] + sine * y_[at(outputs() + l)];
    squared += entry * entry;
  }
  if (std::sqrt(squared) + uncertain * size_ + matrix_error_ <= plane_gate_) return;
  Top top;
  top.w = order_.vertex(z.hyperplane);
  if (cosine * dot(top.w, order_.b1()) + sine * dot(top.w, order_.b2()) < 0.0)
    for (double& entry : top.w) entry = -entry;
  multiply(top.w, y_.data());
  top.value = norm(y_.data(), at(outputs()));
  top.error = matrix_error_;
  if (top.value + top.error > plane_gate_) found(top, plane_gate_, {true, false}, false);
}

// Counts the face, and evaluates f where w (or -w) may lie in it.
template <int D, int Outputs>
void PlaneSweep<D, Outputs>::found(const Top& top, double gate, const Sides& here, bool inside_cell) {
  harvest_->upper = std::max(harvest_->upper, top.value + top.error);
  if (top.value <= gate * (1.0 + 0x1.0p-46)) return;
  for (const double side : {1.0, -1.0}) {
    if (!(side > 0.0 ? here.plus : here.minus)) continue;
    const Vector w = side * Eigen::Map<const Vector>(top.w.data(), D);
    if (inside_cell && last_.size() == D && w == last_) continue;
    if (inside_cell) last_ = w;
    const LocalMaximum maximum{units_.value(w, space_), w};
    ++harvest_->evaluations;
    if (maximum.value > harvest_->best.value) harvest_->best = maximum;
    if (inside_cell && maximum.value >= threshold_) harvest_->maxima.push_back(maximum);
    if (!inside_cell && maximum.value > in_plane_.value) in_plane_ = maximum;
  }
  raise_gates();
}

}  // namespace landscape::homogeneous
