// The two families behind make_network.
#pragma once

#include <cmath>
#include <vector>

#include "landscape/homogeneous/network.hpp"

namespace landscape::homogeneous {

std::unique_ptr<Network> make_units(const Problem& problem, const Architecture& architecture);
std::unique_ptr<Network> make_subnetworks(const Problem& problem, const Architecture& architecture);

// An activation on whole blocks: out <- act(t), and block <- act'(t) o block
template <class Input, class Output>
void activate(const Activation& act, const Input& t, Output&& out) {
  if (act.power == 1)
    out = t.array().max(act.slope * t.array());
  else
    out = t.array().max(act.slope * t.array()).square();
}

template <class Input, class Block>
void times_derivative(const Activation& act, const Input& t, Block&& block) {
  const double left = act.power == 1 ? act.slope : act.slope * act.slope;
  if (act.power == 1)
    block.array() *= (t.array() > 0.0).select(Matrix::Constant(t.rows(), t.cols(), 1.0).array(), left);
  else
    block.array() *=
        2.0 * t.array() * (t.array() > 0.0).select(Matrix::Constant(t.rows(), t.cols(), 1.0).array(), left);
}

// theta = prod_l n_l^(e_l), n_l = |block(point, l)|, of one unit; gradient += lam e_l theta / n_l^2 w_l unless null
template <class Block>
double product_penalty(const std::vector<int>& exponents, const Block& block, const double* point, double* gradient,
                       double lam) {
  double theta = 1.0;
  for (std::size_t l = 0; l < exponents.size(); ++l) theta *= std::pow(block(point, l).norm(), exponents[l]);
  if (gradient == nullptr || theta == 0.0) return theta;
  for (std::size_t l = 0; l < exponents.size(); ++l) {
    const auto w = block(point, l);
    block(gradient, l) += (lam * exponents[l] * theta / w.squaredNorm()) * w;
  }
  return theta;
}

// out += lam theta'' d:  e_l theta / n_l^2 ( (sum_k e_k <w_k, d_k> / n_k^2 - 2 <w_l, d_l> / n_l^2) w_l + d_l )
template <class Block>
void product_penalty_change(const std::vector<int>& exponents, const Block& block, const double* point,
                            const double* direction, double* out, double lam) {
  double theta = 1.0, relative = 0.0;
  for (std::size_t l = 0; l < exponents.size(); ++l) {
    const auto w = block(point, l);
    const double square = w.squaredNorm();
    if (square == 0.0) return;
    theta *= std::pow(square, 0.5 * exponents[l]);
    relative += exponents[l] * w.cwiseProduct(block(direction, l)).sum() / square;
  }
  for (std::size_t l = 0; l < exponents.size(); ++l) {
    const auto w = block(point, l), d = block(direction, l);
    const double square = w.squaredNorm(), along = w.cwiseProduct(d).sum() / square;
    block(out, l) += (lam * exponents[l] * theta / square) * ((relative - 2.0 * along) * w + d);
  }
}

}  // namespace landscape::homogeneous
