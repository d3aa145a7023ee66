#include "landscape/homogeneous/objective.hpp"

namespace landscape::homogeneous {

namespace {

struct NetworkScratch : training::Objective::Scratch {
  std::shared_ptr<Network::Workspace> work;
  Vector point;
  Matrix x, y;
};

}  // namespace

std::unique_ptr<training::Objective::Scratch> NetworkObjective::scratch() const {
  auto own = std::make_unique<NetworkScratch>();
  own->work = network_->workspace();
  return own;
}

void NetworkObjective::gradients(const double* const* points, Index count, double* values, double* const* gradients,
                                 Scratch& scratch, const Context& context) const {
  NetworkScratch& own = static_cast<NetworkScratch&>(scratch);
  for (Index i = 0; i < count; ++i) values[i] = network_->evaluate(points[i], gradients[i], *own.work, context);
}

void NetworkObjective::set_hessian(const double* point, Scratch& scratch, const Context&) const {
  static_cast<NetworkScratch&>(scratch).point = ConstVectorMap(point, size());
}

void NetworkObjective::product(const double* d, double* h, Scratch& scratch, const Context& context) const {
  NetworkScratch& own = static_cast<NetworkScratch&>(scratch);
  network_->hessian_product(own.point.data(), d, h, *own.work, context);
}

double NetworkObjective::estimate(const double* point, const Index* chosen, Index count, double* gradient,
                                  Scratch& scratch, const Context&) const {
  NetworkScratch& own = static_cast<NetworkScratch&>(scratch);
  const Problem& problem = network_->problem();
  own.x.resize(count, problem.x.cols());
  own.y.resize(count, problem.y.cols());
  for (Index i = 0; i < count; ++i) {
    own.x.row(i) = problem.x.row(chosen[i]);
    own.y.row(i) = problem.y.row(chosen[i]);
  }
  const double scale = static_cast<double>(terms()) / static_cast<double>(count);
  return network_->evaluate_samples(point, own.x, own.y, scale, gradient, *own.work);
}

}  // namespace landscape::homogeneous
