#include "narrow_units.hpp"

#include <type_traits>

namespace landscape::homogeneous {

namespace {

using Packet = Eigen::internal::packet_traits<double>::type;
constexpr Index kWidth = Eigen::internal::unpacket_traits<Packet>::size;
constexpr Index kPackets = 2;  // side by side: they hide each other's latency
constexpr Index kPanelRows = kPackets * kWidth;
constexpr Index kMost = 8;  // inputs

Index padded(Index rows) { return (rows + kPanelRows - 1) / kPanelRows * kPanelRows; }

// act(t), and w act'(t), for each kind of activation
struct Relu {
  Packet zero = Eigen::internal::pset1<Packet>(0.0);

  explicit Relu(const Activation&) {}
  Packet value(const Packet& t) const { return Eigen::internal::pmax(t, zero); }
  Packet times_derivative(const Packet& t, const Packet& w) const {
    return Eigen::internal::pand(Eigen::internal::pcmp_lt(zero, t), w);
  }
};

struct Leaky {
  Packet zero = Eigen::internal::pset1<Packet>(0.0), slope;

  explicit Leaky(const Activation& act) : slope(Eigen::internal::pset1<Packet>(act.slope)) {}
  Packet value(const Packet& t) const { return Eigen::internal::pmax(t, Eigen::internal::pmul(slope, t)); }
  Packet times_derivative(const Packet& t, const Packet& w) const {
    using namespace Eigen::internal;
    return pselect(pcmp_lt(zero, t), w, pmul(slope, w));
  }
};

// max(t, slope t)^2
struct Squared {
  Packet zero = Eigen::internal::pset1<Packet>(0.0), slope, two = Eigen::internal::pset1<Packet>(2.0), left;

  explicit Squared(const Activation& act)
      : slope(Eigen::internal::pset1<Packet>(act.slope)), left(Eigen::internal::pset1<Packet>(act.slope * act.slope)) {}
  Packet value(const Packet& t) const {
    using namespace Eigen::internal;
    const Packet h = pmax(t, pmul(slope, t));
    return pmul(h, h);
  }
  Packet times_derivative(const Packet& t, const Packet& w) const {
    using namespace Eigen::internal;
    return pmul(two, pmul(t, pselect(pcmp_lt(zero, t), w, pmul(left, w))));
  }
};

template <int D, class Pieces>
void forward(const Pieces& act, const Matrix& x, const ConstMatrixMap& v, const ConstMatrixMap& u, Matrix& z) {
  using namespace Eigen::internal;
  const Index d = D > 0 ? D : x.rows(), width = v.cols();
  for (Index first = 0; first < x.cols(); first += kPanelRows) {
    Packet in[kMost][kPackets];
    for (Index j = 0; j < d; ++j)
      for (Index p = 0; p < kPackets; ++p) in[j][p] = ploadu<Packet>(&x(j, first + p * kWidth));
    for (Index o = 0; o < z.rows(); ++o) {
      Packet sum[kPackets];
      for (Index p = 0; p < kPackets; ++p) sum[p] = act.zero;
      for (Index k = 0; k < width; ++k) {
        Packet t[kPackets];
        const Packet first_weight = pset1<Packet>(v(0, k));
        for (Index p = 0; p < kPackets; ++p) t[p] = pmul(in[0][p], first_weight);
        for (Index j = 1; j < d; ++j) {
          const Packet weight = pset1<Packet>(v(j, k));
          for (Index p = 0; p < kPackets; ++p) t[p] = pmadd(in[j][p], weight, t[p]);
        }
        const Packet out = pset1<Packet>(u(o, k));
        for (Index p = 0; p < kPackets; ++p) sum[p] = pmadd(act.value(t[p]), out, sum[p]);
      }
      for (Index p = 0; p < kPackets; ++p) pstoreu(&z(o, first + p * kWidth), sum[p]);
    }
  }
}

// One output. With s_k = sum_i g_i act'(t_ik) x_i the gradients are u_k s_k and, because t act'(t) = power act(t),
// <v_k, s_k> / power: nothing but s is summed over the samples.
template <int D, class Pieces>
void backward_one(const Pieces& act, int power, const Matrix& x, const ConstMatrixMap& v, const ConstMatrixMap& u,
                  const Matrix& g, MatrixMap g_u, MatrixMap g_v) {
  using namespace Eigen::internal;
  constexpr Index most_d = D > 0 ? D : kMost;
  const Index d = D > 0 ? D : x.rows(), columns = x.cols();
  for (Index k = 0; k < v.cols(); ++k) {
    Packet weight[most_d], slope0[most_d], slope1[most_d];
    for (Index j = 0; j < d; ++j) {
      weight[j] = pset1<Packet>(v(j, k));
      slope0[j] = slope1[j] = act.zero;
    }
    for (Index at = 0; at < columns; at += kPanelRows) {
      const double* in = x.data() + at;
      Packet t0 = pmul(ploadu<Packet>(in), weight[0]), t1 = pmul(ploadu<Packet>(in + kWidth), weight[0]);
      for (Index j = 1; j < d; ++j) {
        t0 = pmadd(ploadu<Packet>(in + j * columns), weight[j], t0);
        t1 = pmadd(ploadu<Packet>(in + j * columns + kWidth), weight[j], t1);
      }
      const Packet w0 = act.times_derivative(t0, ploadu<Packet>(g.data() + at));
      const Packet w1 = act.times_derivative(t1, ploadu<Packet>(g.data() + at + kWidth));
      for (Index j = 0; j < d; ++j) {
        slope0[j] = pmadd(ploadu<Packet>(in + j * columns), w0, slope0[j]);
        slope1[j] = pmadd(ploadu<Packet>(in + j * columns + kWidth), w1, slope1[j]);
      }
    }
    double along = 0.0;
    for (Index j = 0; j < d; ++j) {
      const double sum = predux(padd(slope0[j], slope1[j]));
      along += v(j, k) * sum;
      g_v(j, k) += u(0, k) * sum;
    }
    g_u(0, k) += along / power;
  }
}

// Several outputs; the number of inputs as a constant, or 0.
template <int D, class Pieces>
void backward(const Pieces& act, const Matrix& x, const ConstMatrixMap& v, const ConstMatrixMap& u, const Matrix& g,
              MatrixMap g_u, MatrixMap g_v) {
  using namespace Eigen::internal;
  constexpr Index most_d = D > 0 ? D : kMost, most_o = 4;
  const Index d = D > 0 ? D : x.rows(), outputs = u.rows(), columns = x.cols();
  for (Index k = 0; k < v.cols(); ++k) {
    Packet weight[most_d], slope0[most_d], slope1[most_d], out[most_o], gain0[most_o], gain1[most_o];
    for (Index j = 0; j < d; ++j) {
      weight[j] = pset1<Packet>(v(j, k));
      slope0[j] = slope1[j] = act.zero;
    }
    for (Index o = 0; o < outputs; ++o) {
      out[o] = pset1<Packet>(u(o, k));
      gain0[o] = gain1[o] = act.zero;
    }
    for (Index at = 0; at < columns; at += kPanelRows) {
      const double* in = x.data() + at;
      const double* residual = g.data() + at;
      Packet t0 = pmul(ploadu<Packet>(in), weight[0]), t1 = pmul(ploadu<Packet>(in + kWidth), weight[0]);
      for (Index j = 1; j < d; ++j) {
        t0 = pmadd(ploadu<Packet>(in + j * columns), weight[j], t0);
        t1 = pmadd(ploadu<Packet>(in + j * columns + kWidth), weight[j], t1);
      }
      const Packet h0 = act.value(t0), h1 = act.value(t1);
      Packet w0 = act.zero, w1 = act.zero;
      for (Index o = 0; o < outputs; ++o) {
        const Packet r0 = ploadu<Packet>(residual + o * columns), r1 = ploadu<Packet>(residual + o * columns + kWidth);
        gain0[o] = pmadd(r0, h0, gain0[o]);
        gain1[o] = pmadd(r1, h1, gain1[o]);
        w0 = o == 0 ? pmul(r0, out[o]) : pmadd(r0, out[o], w0);
        w1 = o == 0 ? pmul(r1, out[o]) : pmadd(r1, out[o], w1);
      }
      w0 = act.times_derivative(t0, w0);
      w1 = act.times_derivative(t1, w1);
      for (Index j = 0; j < d; ++j) {
        slope0[j] = pmadd(ploadu<Packet>(in + j * columns), w0, slope0[j]);
        slope1[j] = pmadd(ploadu<Packet>(in + j * columns + kWidth), w1, slope1[j]);
      }
    }
    for (Index j = 0; j < d; ++j) g_v(j, k) += predux(padd(slope0[j], slope1[j]));
    for (Index o = 0; o < outputs; ++o) g_u(o, k) += predux(padd(gain0[o], gain1[o]));
  }
}

// body(pieces, number of inputs as a constant, 0 for more than four)
template <class Pieces, class Body>
void with_inputs(const Pieces& pieces, Index inputs, Body&& body) {
  switch (inputs) {
    case 1:
      return body(pieces, std::integral_constant<int, 1>());
    case 2:
      return body(pieces, std::integral_constant<int, 2>());
    case 3:
      return body(pieces, std::integral_constant<int, 3>());
    case 4:
      return body(pieces, std::integral_constant<int, 4>());
    default:
      return body(pieces, std::integral_constant<int, 0>());
  }
}

template <class Body>
void with_kind(const Activation& act, Index inputs, Body&& body) {
  if (act.power == 2) return with_inputs(Squared(act), inputs, body);
  if (act.slope == 0.0) return with_inputs(Relu(act), inputs, body);
  return with_inputs(Leaky(act), inputs, body);
}

}  // namespace

void NarrowUnits::outputs(const Activation& act, const ConstMatrixView& x, const ConstMatrixMap& v,
                          const ConstMatrixMap& u, MatrixView z) {
  const Index rows = x.rows(), columns = padded(rows);
  x_.resize(x.cols(), columns);
  x_.leftCols(rows) = x.transpose();
  x_.rightCols(columns - rows).setZero();
  z_.resize(u.rows(), columns);
  with_kind(act, x.cols(), [&](const auto& pieces, auto d) { forward<decltype(d)::value>(pieces, x_, v, u, z_); });
  z += z_.leftCols(rows).transpose();
}

void NarrowUnits::pull_back(const Activation& act, const ConstMatrixMap& v, const ConstMatrixMap& u,
                            const ConstMatrixView& g, MatrixMap g_u, MatrixMap g_v) {
  z_.leftCols(g.rows()) = g.transpose();
  z_.rightCols(z_.cols() - g.rows()).setZero();
  with_kind(act, x_.rows(), [&](const auto& pieces, auto d) {
    if (u.rows() == 1)
      backward_one<decltype(d)::value>(pieces, act.power, x_, v, u, z_, g_u, g_v);
    else
      backward<decltype(d)::value>(pieces, x_, v, u, z_, g_u, g_v);
  });
}

}  // namespace landscape::homogeneous
