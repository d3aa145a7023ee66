// The two families behind make_network.
#pragma once

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

}  // namespace landscape::homogeneous
