#include "exact_determinant.hpp"

#include <algorithm>
#include <cmath>

#include "compensated.hpp"

namespace landscape::homogeneous {

namespace {

// h <- e + f without zeros; returns the length (Shewchuk 1997, Theorem 13)
int add_expansions(const double* e, int e_size, const double* f, int f_size, double* h) {
  int i = 0, j = 0, size = 0;
  double carry = 0.0;
  while (i < e_size || j < f_size) {
    const bool first = j == f_size || (i < e_size && std::abs(e[i]) < std::abs(f[j]));
    const DoubleDouble sum = two_sum(carry, first ? e[i++] : f[j++]);
    if (sum.low != 0.0) h[size++] = sum.low;
    carry = sum.high;
  }
  if (carry != 0.0) h[size++] = carry;
  return size;
}

// h <- b e without zeros (Shewchuk 1997, Theorem 19)
int scale_expansion(const double* e, int e_size, double b, double* h) {
  int size = 0;
  double carry = 0.0;
  for (int i = 0; i < e_size; ++i) {
    const DoubleDouble product = two_product(e[i], b);
    const DoubleDouble low = two_sum(carry, product.low);
    if (low.low != 0.0) h[size++] = low.low;
    const DoubleDouble high = two_sum(product.high, low.high);
    if (high.low != 0.0) h[size++] = high.low;
    carry = high.high;
  }
  if (carry != 0.0) h[size++] = carry;
  return size;
}

SmallMatrix without(const SmallMatrix& a, int column) {
  SmallMatrix minor;
  minor.order = a.order - 1;
  for (int i = 1; i < a.order; ++i)
    for (int c = 0; c < minor.order; ++c) minor(i - 1, c) = a(i, c < column ? c : c + 1);
  return minor;
}

// Expansions of determinants have at most 1, 4, 24, 192, 1920 = 2 k (terms of order k - 1) terms.
constexpr int kLength[] = {0, 1, 4, 24, 192, 1920};
constexpr int kLongest = kLength[kLargestOrder];

// h <- det A by its first row
int expand(const SmallMatrix& a, double* h) {
  if (a.order == 1) {
    h[0] = a(0, 0);
    return h[0] != 0.0 ? 1 : 0;
  }
  std::array<double, kLength[kLargestOrder - 1]> minor;
  std::array<double, 2 * kLength[kLargestOrder - 1]> product;
  std::array<double, kLongest> sum;
  int size = 0;
  for (int c = 0; c < a.order; ++c) {
    if (a(0, c) == 0.0) continue;
    const int minor_size = expand(without(a, c), minor.data());
    const int product_size = scale_expansion(minor.data(), minor_size, c % 2 == 0 ? a(0, c) : -a(0, c), product.data());
    std::copy(h, h + size, sum.data());
    size = add_expansions(sum.data(), size, product.data(), product_size, h);
  }
  return size;
}

}  // namespace

PlainDeterminant plain_determinant(const SmallMatrix& a) {
  if (a.order == 1) return {a(0, 0), std::abs(a(0, 0))};
  if (a.order == 2) {
    const double p = a(0, 0) * a(1, 1), q = a(0, 1) * a(1, 0);
    return {p - q, std::abs(p) + std::abs(q)};
  }
  PlainDeterminant sum{0.0, 0.0};
  for (int c = 0; c < a.order; ++c) {
    const PlainDeterminant minor = plain_determinant(without(a, c));
    sum.value += (c % 2 == 0 ? a(0, c) : -a(0, c)) * minor.value;
    sum.terms += std::abs(a(0, c)) * minor.terms;
  }
  return sum;
}

double determinant(const SmallMatrix& a, bool short_entries) {
  if (short_entries) return plain_determinant(a).value;
  std::array<double, kLongest> terms;
  const int size = expand(a, terms.data());
  double sum = 0.0;
  for (int i = 0; i < size; ++i) sum += terms[static_cast<std::size_t>(i)];
  return sum;
}

int sign_of_determinant(const SmallMatrix& a, bool short_entries) {
  const PlainDeterminant plain = plain_determinant(a);
  const double sure = short_entries ? 0.0 : 4.0 * a.order * kUnitRoundoff * plain.terms;
  const double value = std::abs(plain.value) > sure ? plain.value : determinant(a, short_entries);
  return value > 0.0 ? 1 : value < 0.0 ? -1 : 0;
}

}  // namespace landscape::homogeneous
