#include "landscape/homogeneous/network.hpp"

#include <algorithm>
#include <limits>

#include "architectures.hpp"
#include "landscape/errors.hpp"
#include "landscape/parallel.hpp"

namespace landscape::homogeneous {

namespace {

constexpr Index kPartRows = 1024;      // the least a part is worth
constexpr Index kLargestParts = 16;    // bounds the memory of the partial sums
constexpr Index kSmallWork = 200'000;  // multiply-adds that one thread does sooner than two

// A multiple of every chunk.
Index part_rows(Index samples) {
  const Index least = (samples + kLargestParts - 1) / kLargestParts;
  return kPartRows * std::max<Index>(1, (least + kPartRows - 1) / kPartRows);
}

}  // namespace

// One part of the samples: a chunk's outputs and slopes, the part's sums, and what the architecture keeps.
class Network::Workspace {
 public:
  struct Part {
    std::unique_ptr<Hidden> hidden;
    Matrix z, g, dz, dg;
    Vector sum;
    double value = 0.0;
  };
  std::vector<Part> parts;
};

Network::Network(const Problem& problem, Index size, Index chunk)
    : problem_(problem), size_(size + (problem.intercept ? problem.y.cols() : 0)), chunk_(chunk) {
  require(problem.x.rows() == problem.y.rows(), "X and Y must have the same number of rows");
}

std::shared_ptr<Network::Workspace> Network::workspace() const {
  auto work = std::make_shared<Workspace>();
  const Index rows = part_rows(problem_.x.rows());
  work->parts.resize(static_cast<std::size_t>(std::max<Index>(1, (problem_.x.rows() + rows - 1) / rows)));
  for (Workspace::Part& part : work->parts) {
    part.hidden = hidden();
    for (Matrix* block : {&part.z, &part.g, &part.dz, &part.dg}) block->resize(chunk_, problem_.y.cols());
    if (work->parts.size() > 1) part.sum.resize(size_);
  }
  return work;
}

// sum (size()) <- sum over chunks of body(x, y, part, sum), in order; returns that of the values
template <class Body>
double Network::over_parts(double* sum, Workspace& work, const Context& context, Body&& body) const {
  const Index rows = part_rows(problem_.x.rows()), count = static_cast<Index>(work.parts.size());
  Context shared = context;
  if (problem_.x.rows() * size_ < kSmallWork) shared.n_threads = 1;
  parallel_for(count, shared, [&](Index index, int) {
    Workspace::Part& part = work.parts[static_cast<std::size_t>(index)];
    double* own = sum == nullptr ? nullptr : count > 1 ? part.sum.data() : sum;
    if (own != nullptr) VectorMap(own, size_).setZero();
    part.value = 0.0;
    const Index end = std::min((index + 1) * rows, problem_.x.rows());
    for (Index first = index * rows; first < end; first += chunk_) {
      const Index chunk = std::min(chunk_, end - first);
      part.value += body(problem_.x.middleRows(first, chunk), problem_.y.middleRows(first, chunk), part, own);
    }
  });
  double value = 0.0;
  for (Index index = 0; index < count; ++index) {
    const Workspace::Part& part = work.parts[static_cast<std::size_t>(index)];
    value += part.value;
    if (sum == nullptr || count == 1) continue;
    if (index == 0)
      VectorMap(sum, size_) = part.sum;
    else
      VectorMap(sum, size_) += part.sum;
  }
  return value;
}

double Network::decay(const double* point, double* gradient) const {
  const Index n = problem_.y.cols(), bias = intercept_at();
  double theta = penalty(point, gradient);
  if (problem_.intercept && problem_.intercept_decay) {
    theta += 0.5 * ConstVectorMap(point + bias, n).squaredNorm();
    if (gradient != nullptr) VectorMap(gradient + bias, n) += problem_.lam * ConstVectorMap(point + bias, n);
  }
  return problem_.lam * theta;
}

template <class Loss, class Part>
double Network::chunk_gradient(const Loss& loss, const double* point, const ConstMatrixView& x,
                               const ConstMatrixView& y, double scale, double* gradient, Part& part) const {
  const Index n = problem_.y.cols(), bias = intercept_at();
  auto z = part.z.topRows(x.rows()), g = part.g.topRows(x.rows());
  if (problem_.intercept)
    z.rowwise() = ConstVectorMap(point + bias, n).transpose();
  else
    z.setZero();
  only_outputs(point, x, z, *part.hidden);
  double sum = 0.0;
  if (gradient == nullptr) {
    for (Index i = 0; i < x.rows(); ++i) sum += loss.value(z.row(i).data(), y.row(i).data(), n);
    return scale * sum;
  }
  for (Index i = 0; i < x.rows(); ++i) sum += loss.gradient(z.row(i).data(), y.row(i).data(), n, g.row(i).data());
  if (scale != 1.0) g *= scale;
  only_pull_back(point, x, g, gradient, *part.hidden);
  if (problem_.intercept) VectorMap(gradient + bias, n) += g.colwise().sum().transpose();
  return scale * sum;
}

double Network::evaluate(const double* point, double* gradient, Workspace& work, const Context& context) const {
  const double value = with_loss(problem_.loss, [&](const auto& loss) {
    return over_parts(gradient, work, context, [&](const auto& x, const auto& y, auto& part, double* own) {
      return chunk_gradient(loss, point, x, y, 1.0, own, part);
    });
  });
  return value + decay(point, gradient);
}

double Network::evaluate_samples(const double* point, const ConstMatrixView& x, const ConstMatrixView& y, double scale,
                                 double* gradient, Workspace& work) const {
  VectorMap(gradient, size_).setZero();
  const double value = with_loss(problem_.loss, [&](const auto& loss) {
    double sum = 0.0;
    for (Index first = 0; first < x.rows(); first += chunk_) {
      const Index chunk = std::min(chunk_, x.rows() - first);
      sum += chunk_gradient(loss, point, x.middleRows(first, chunk), y.middleRows(first, chunk), scale, gradient,
                            work.parts.front());
    }
    return sum;
  });
  return value + decay(point, gradient);
}

void Network::hessian_product(const double* point, const double* direction, double* out, Workspace& work,
                              const Context& context) const {
  const Index n = problem_.y.cols(), bias = intercept_at();
  with_loss(problem_.loss, [&](const auto& loss) {
    return over_parts(out, work, context, [&](const auto& x, const auto& y, auto& part, double* own) {
      auto z = part.z.topRows(x.rows()), g = part.g.topRows(x.rows());
      auto dz = part.dz.topRows(x.rows()), dg = part.dg.topRows(x.rows());
      if (problem_.intercept) {
        z.rowwise() = ConstVectorMap(point + bias, n).transpose();
        dz.rowwise() = ConstVectorMap(direction + bias, n).transpose();
      } else {
        z.setZero();
        dz.setZero();
      }
      outputs(point, x, z, *part.hidden);
      push_forward(point, direction, x, dz, *part.hidden);
      for (Index i = 0; i < x.rows(); ++i) {
        loss.gradient(z.row(i).data(), y.row(i).data(), n, g.row(i).data());
        loss.curvature(z.row(i).data(), y.row(i).data(), n, dz.row(i).data(), dg.row(i).data());
      }
      pull_back_change(point, direction, x, g, dg, own, *part.hidden);
      if (problem_.intercept) VectorMap(own + bias, n) += dg.colwise().sum().transpose();
      return 0.0;
    });
  });
  penalty_change(point, direction, out);
  if (problem_.intercept && problem_.intercept_decay)
    VectorMap(out + bias, n) += problem_.lam * ConstVectorMap(direction + bias, n);
}

void Network::predict(const double* point, const ConstMatrixView& x, MatrixView z, const Context& context) const {
  const auto kept = hidden();
  for (Index first = 0; first < x.rows(); first += chunk_) {
    context.check();
    const Index chunk = std::min(chunk_, x.rows() - first);
    auto rows = z.middleRows(first, chunk);
    if (problem_.intercept)
      rows.rowwise() = ConstVectorMap(point + intercept_at(), z.cols()).transpose();
    else
      rows.setZero();
    outputs(point, x.middleRows(first, chunk), rows, *kept);
  }
}

void Network::adjoint(const double* point, const ConstMatrixView& x, const ConstMatrixView& q, double* gradient,
                      const Context& context) const {
  const auto kept = hidden();
  Matrix z(chunk_, q.cols());
  VectorMap(gradient, size_).setZero();
  for (Index first = 0; first < x.rows(); first += chunk_) {
    context.check();
    const Index chunk = std::min(chunk_, x.rows() - first);
    const auto rows = x.middleRows(first, chunk), weights = q.middleRows(first, chunk);
    z.setZero();
    outputs(point, rows, z.topRows(chunk), *kept);
    pull_back(point, rows, weights, gradient, *kept);
    if (problem_.intercept) VectorMap(gradient + intercept_at(), q.cols()) += weights.colwise().sum().transpose();
  }
}

double Network::kink_margin(const double* point, const Context& context) const {
  double least = std::numeric_limits<double>::infinity();
  const auto kept = hidden();
  Matrix z(chunk_, problem_.y.cols());
  for (Index first = 0; first < problem_.x.rows(); first += chunk_) {
    context.check();
    const Index chunk = std::min(chunk_, problem_.x.rows() - first);
    z.setZero();
    const auto x = problem_.x.middleRows(first, chunk);
    outputs(point, x, z.topRows(chunk), *kept);
    least = std::min(least, margin(point, x, *kept));
  }
  return least;
}

std::unique_ptr<Network> make_network(const Problem& problem, const Architecture& architecture) {
  require_valid(architecture.act);
  if (architecture.hidden.empty()) return make_units(problem, architecture);
  return make_subnetworks(problem, architecture);
}

}  // namespace landscape::homogeneous
