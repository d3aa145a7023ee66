#include "newton.hpp"

#include <algorithm>
#include <cmath>

#include "kernels.hpp"
#include "landscape/parallel.hpp"
#include "landscape/rounding.hpp"

namespace landscape::factorization {

namespace {

// The sum of body(first, rows), added in the order of the blocks.
template <class Body>
double sum_rows(Index rows, Index width, const Context& context, Body&& body) {
  Vector partial((rows + kernels::kRowBlock - 1) / kernels::kRowBlock);
  kernels::for_rows(rows, 4 * width, context, [&](Index r, Index n) { partial[r / kernels::kRowBlock] = body(r, n); });
  double sum = 0.0;
  for (Index s = 0; s < partial.size(); ++s) sum += partial[s];
  return sum;
}

}  // namespace

void Newton::start(const Matrix& w, const Context& context) {
  value_ = objective_.gradient(w, gradient_, derivative_, second_, context);
  gradient_norm_ = std::sqrt(inner(gradient_, gradient_, context));
}

bool Newton::step(Matrix& w, double forcing, Index products_max, const Context& context) {
  if (!(gradient_norm_ > 0.0)) return false;
  const Index rows = w.rows();
  preconditioner_.set(objective_, w, second_, context);
  hessian_.set(objective_, w, derivative_, second_, context);
  const Matrix& inverse = preconditioner_.inverse();
  residual_.resize(rows, w.cols());
  z_.resize(rows, w.cols());
  d_.setZero(rows, w.cols());
  // residual <- residual - alpha h, z <- B^{-1} residual, d <- d + alpha D; returns <residual, z>
  const auto advance = [&](double alpha, bool first) {
    return sum_rows(rows, w.cols(), context, [&](Index r, Index n) {
      auto residual = residual_.middleRows(r, n);
      if (first) {
        residual = -gradient_.middleRows(r, n);
      } else {
        d_.middleRows(r, n) += alpha * hessian_.direction(r, n);
        residual -= alpha * h_.middleRows(r, n);
      }
      z_.middleRows(r, n) = residual.cwiseProduct(inverse.middleRows(r, n));
      return residual.cwiseProduct(z_.middleRows(r, n)).sum();
    });
  };
  double rho = advance(0.0, true), beta = 0.0;
  const double start = rho;
  for (Index k = 0; k < products_max; ++k) {
    if (out_of_time_()) return false;
    hessian_.advance(z_, beta, context);
    const double curvature = hessian_.apply(h_, context);
    ++products_;
    if (!(curvature > 0.0)) {
      // downhill along the preconditioned gradient; later, what conjugate gradients have gathered so far is downhill
      // too
      if (k == 0) d_ = z_;
      break;
    }
    const double next = advance(rho / curvature, false);
    if (!(next > forcing * forcing * start)) break;
    beta = next / rho;
    rho = next;
  }
  ++steps_;
  return search(w, d_, context);
}

bool Newton::search(Matrix& w, const Matrix& d, const Context& context) {
  objective_.line(w, d, line_, context);
  double t = 1.0, best = objective_.change(line_, t, context);
  for (int halving = 0; halving < 60 && !(best < 0.0); ++halving) {
    t *= 0.5;
    best = objective_.change(line_, t, context);
  }
  if (!(best < 0.0)) return false;
  for (int refinement = 0; refinement < 8; ++refinement) {
    double first = 0.0, second = 0.0;
    objective_.slope(line_, t, first, second, context);
    const double next = second > 0.0 ? t - first / second : (first < 0.0 ? 2.0 * t : 0.5 * t);
    if (!(next > 0.0) || next > 8.0 || std::abs(next - t) < 0.02 * t) break;
    const double change = objective_.change(line_, next, context);
    if (!(change < best)) break;
    t = next;
    best = change;
  }
  trial_.resize(w.rows(), w.cols());
  for (int halving = 0; halving < 3; ++halving, t *= 0.5) {
    kernels::for_rows(w.rows(), 4 * w.cols(), context,
                      [&](Index r, Index n) { trial_.middleRows(r, n) = w.middleRows(r, n) + t * d.middleRows(r, n); });
    const double value = objective_.gradient(trial_, trial_gradient_, trial_derivative_, trial_second_, context);
    const double norm = std::sqrt(inner(trial_gradient_, trial_gradient_, context));
    // Close to the optimum the fall of f, known to its own accuracy from the line, drowns in the rounding of f itself;
    // the gradient still shows whether the step is a good one.
    const bool level = value <= value_ + kLevel * std::abs(value_) && norm < 0.7 * gradient_norm_;
    if (!(value < value_) && !level) continue;
    w.swap(trial_);
    gradient_.swap(trial_gradient_);
    derivative_.swap(trial_derivative_);
    second_.swap(trial_second_);
    value_ = std::min(value, value_);
    gradient_norm_ = norm;
    return true;
  }
  return false;
}

}  // namespace landscape::factorization
