#include "landscape/linalg/magnitude.hpp"

#include <algorithm>
#include <cmath>

namespace landscape::linalg {

double largest_magnitude(const ConstVectorMap& x) {
  using namespace Eigen::internal;
  using Packet = packet_traits<double>::type;
  constexpr Index width = unpacket_traits<Packet>::size, chains = 4;  // as many as hide the latency of a maximum
  const Index size = x.size(), whole = size / (chains * width) * (chains * width);
  const Packet nothing = pset1<Packet>(0.0);
  Packet most[chains], zero[chains];
  for (Index c = 0; c < chains; ++c) most[c] = zero[c] = nothing;
  for (Index i = 0; i < whole; i += chains * width)
    for (Index c = 0; c < chains; ++c) {
      const Packet entry = ploadu<Packet>(x.data() + i + c * width);
      most[c] = pmax(most[c], pabs(entry));
      zero[c] = pmadd(entry, nothing, zero[c]);  // NaN from infinity and NaN on
    }
  double largest = 0.0, check = 0.0;
  for (Index c = 0; c < chains; ++c) {
    largest = std::max(largest, predux_max(most[c]));
    check += predux(zero[c]);
  }
  for (Index i = whole; i < size; ++i) {
    largest = std::max(largest, std::abs(x[i]));
    check += 0.0 * x[i];
  }
  return largest + check;
}

}  // namespace landscape::linalg
