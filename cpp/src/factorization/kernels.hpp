// The inner loops over observed entries: products of one row with four gathered rows at a time, so that a packet of the
// row in hand is loaded once for four multiplications. Widths are multiples of four.
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cstdint>

#include "landscape/context.hpp"
#include "landscape/parallel.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::factorization::kernels {

// No wider than the four doubles that rows are padded to.
using Packet = Eigen::internal::find_best_packet<double, 4>::type;
constexpr Index kWidth = Eigen::internal::unpacket_traits<Packet>::size;
static_assert(4 % kWidth == 0);

// One thread for work too small to share: a parallel region costs microseconds at best, and a time slice when the cores
// are busy with something else. The bits do not depend on it.
inline Context sized(const Context& context, Index multiplications) {
  Context result = context;
  if (multiplications < (Index{1} << 19)) result.n_threads = 1;
  return result;
}

constexpr Index kRowBlock = 128;

// body(first, rows) over blocks of rows whose size depends on nothing; `work` is the multiplications of one row.
template <class Body>
void for_rows(Index rows, Index work, const Context& context, Body&& body) {
  parallel_for((rows + kRowBlock - 1) / kRowBlock, sized(context, rows * work),
               [&](Index s, int) { body(s * kRowBlock, std::min(kRowBlock, rows - s * kRowBlock)); });
}

// out[q] <- <a, rows[q]>, q < 4
inline void dot4(const double* a, const double* const rows[4], Index width, double* out) {
  using namespace Eigen::internal;
  Packet s0 = pset1<Packet>(0.0), s1 = s0, s2 = s0, s3 = s0;
  for (Index k = 0; k < width; k += kWidth) {
    const Packet x = ploadu<Packet>(a + k);
    s0 = pmadd(x, ploadu<Packet>(rows[0] + k), s0);
    s1 = pmadd(x, ploadu<Packet>(rows[1] + k), s1);
    s2 = pmadd(x, ploadu<Packet>(rows[2] + k), s2);
    s3 = pmadd(x, ploadu<Packet>(rows[3] + k), s3);
  }
  out[0] = predux(s0);
  out[1] = predux(s1);
  out[2] = predux(s2);
  out[3] = predux(s3);
}

// out <- out + sum over q < 4 of alpha[q] rows[q]
inline void add4(const double* alpha, const double* const rows[4], Index width, double* out) {
  using namespace Eigen::internal;
  const Packet a0 = pset1<Packet>(alpha[0]), a1 = pset1<Packet>(alpha[1]), a2 = pset1<Packet>(alpha[2]),
               a3 = pset1<Packet>(alpha[3]);
  for (Index k = 0; k < width; k += kWidth) {
    Packet s = ploadu<Packet>(out + k);
    s = pmadd(a0, ploadu<Packet>(rows[0] + k), s);
    s = pmadd(a1, ploadu<Packet>(rows[1] + k), s);
    s = pmadd(a2, ploadu<Packet>(rows[2] + k), s);
    s = pmadd(a3, ploadu<Packet>(rows[3] + k), s);
    pstoreu(out + k, s);
  }
}

// out <- out + sum over q < 4 of alpha[q] rows[q][0 : width] + beta[q] rows[q][width : 2 width]
inline void add4_pair(const double* alpha, const double* beta, const double* const rows[4], Index width, double* out) {
  using namespace Eigen::internal;
  const Packet a0 = pset1<Packet>(alpha[0]), a1 = pset1<Packet>(alpha[1]), a2 = pset1<Packet>(alpha[2]),
               a3 = pset1<Packet>(alpha[3]);
  const Packet b0 = pset1<Packet>(beta[0]), b1 = pset1<Packet>(beta[1]), b2 = pset1<Packet>(beta[2]),
               b3 = pset1<Packet>(beta[3]);
  for (Index k = 0; k < width; k += kWidth) {
    Packet s = ploadu<Packet>(out + k), t = pmul(b0, ploadu<Packet>(rows[0] + width + k));
    s = pmadd(a0, ploadu<Packet>(rows[0] + k), s);
    t = pmadd(b1, ploadu<Packet>(rows[1] + width + k), t);
    s = pmadd(a1, ploadu<Packet>(rows[1] + k), s);
    t = pmadd(b2, ploadu<Packet>(rows[2] + width + k), t);
    s = pmadd(a2, ploadu<Packet>(rows[2] + k), s);
    t = pmadd(b3, ploadu<Packet>(rows[3] + width + k), t);
    s = pmadd(a3, ploadu<Packet>(rows[3] + k), s);
    pstoreu(out + k, padd(s, t));
  }
}

// body(k, live, rows) for the entries first <= k < last in groups of four; a group of fewer than four repeats its last
// row, so that the caller reads valid memory and gives the repeats zero coefficients.
template <class Body>
inline void groups(const std::int32_t* index, Index first, Index last, const double* base, Index stride, Body&& body) {
  for (Index k = first; k < last; k += 4) {
    const int live = static_cast<int>(last - k < 4 ? last - k : 4);
    const double* rows[4];
    for (int q = 0; q < 4; ++q) rows[q] = base + index[k + (q < live ? q : live - 1)] * stride;
    body(k, live, rows);
  }
}

}  // namespace landscape::factorization::kernels
