// Descent in all units at once (THEORY 5.5, "local descent", and its corrective step with moving directions): Newton
// steps on (U, V, b) in which every unit is held on the kinks it has been stopped at, x_i . v_k = 0, because minima of
// these objectives lie on kinks. On the face that is left the objective is smooth,
//
//   H = J^T l'' J + blockdiag(B_k),   J dw = sum_k act'(X v_k) o (X dv_k) u_k^T + act(X v_k) du_k^T + 1 db^T,
//   B_k = second derivatives of <G, phi(w_k)> + lam theta(w_k), shifted to be positive semidefinite
//
// (at a minimum they are). A step goes to the least value along its line; if that is a kink, the unit is held there. A
// sample i is let go where the one-sided derivatives say so: with nu the multipliers of x_i . v = 0, the unit stays if
// slope * g_i <= nu_i <= g_i, g_i = <G_i, u>.
#pragma once

#include <functional>

#include "unit_objective.hpp"

namespace landscape::homogeneous {

struct JointDescentSettings {
  Index max_steps = 40;
  double tolerance = 1e-15;  // on the decrease a step promises, relative to the value
  Index dense_up_to = 600;   // parameters; conjugate gradients beyond
  Index max_products = 150;  // of a step by conjugate gradients
  std::function<bool()> out_of_time = [] { return false; };
};

// Moves the point; returns the new value, not above the given one. Units that vanish are taken out.
double joint_descent(const UnitObjective& objective, UnitPoint& point, double value,
                     const JointDescentSettings& settings, const Context& context);

}  // namespace landscape::homogeneous
