#include "landscape/homogeneous/branch_and_bound.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <queue>

#include "landscape/clock.hpp"
#include "landscape/errors.hpp"
#include "landscape/parallel.hpp"

namespace landscape::homogeneous {

namespace {

constexpr Index kBatch = 8;  // open cells split per round, whatever the number of threads
constexpr Index kRootIterations = 200;
// Bounds are square roots of quantities with rounding margins: below this part of sum_i |x_i| |q_i| nothing is
// resolved, and a polar of 0 would be searched for ever.
constexpr double kResolution = 1e-6;

struct Node {
  Signs signs;
  DnnBound bound;
  Index number = 0;
};
using NodePointer = std::shared_ptr<Node>;

struct Worse {  // the largest bound first, then the oldest
  bool operator()(const NodePointer& a, const NodePointer& b) const {
    return a->bound.upper != b->bound.upper ? a->bound.upper < b->bound.upper : a->number > b->number;
  }
};

class Search {
 public:
  Search(const ConstMatrixView& x, const ConstMatrixView& q, double slope, const BranchSettings& settings,
         const Context& context)
      : data_(polar_data(x, q, slope)), m_(x.rows()), settings_(settings), context_(context), begin_(seconds_now()) {}

  BranchResult run();

 private:
  Index splits_on(const Node& node) const;
  void look_at(const DnnBound& bound);
  NodePointer bounded(const Signs& signs, const Node* parent, double enough, int thread) const;
  void add(NodePointer node);
  double open_upper() const;
  double target() const {
    return std::max({enough_, lower_ * (1.0 + settings_.tolerance), kResolution * data_.output_bound});
  }
  void keep(const Node& node);
  BranchResult finish(BranchStop stop);

  PolarData data_;
  Index m_;
  const BranchSettings& settings_;
  const Context& context_;
  double begin_, deadline_ = 0.0, lower_ = 0.0, enough_ = 0.0;
  double closed_upper_ = 0.0;  // the largest bound of the cells that are not split further
  Vector direction_;
  std::priority_queue<NodePointer, std::vector<NodePointer>, Worse> open_;
  BranchResult result_;
};

// The undecided sample or output to split on; -1 when all are decided.
Index Search::splits_on(const Node& node) const {
  const Index samples = data_.size(), outputs = data_.outputs();
  if (data_.slope == 1.0) return -1;
  if (outputs == 1 && node.signs(samples) == 0) return samples;
  Index best = -1;
  for (Index i = 0; i < samples + outputs; ++i)
    if (node.signs(i) == 0 && (best < 0 || node.bound.scores(i) > node.bound.scores(best))) best = i;
  return best;
}

NodePointer Search::bounded(const Signs& signs, const Node* parent, double enough, int thread) const {
  DnnSettings settings = settings_.bound;
  settings.enough = enough;
  settings.deadline = deadline_;
  // Where nothing is left to split, only the relaxation can gain.
  if ((signs.array() != 0).all()) {
    settings.max_iterations *= 4;
    settings.patience = std::numeric_limits<double>::infinity();
  }
  if (parent == nullptr) settings.min_iterations = std::max<Index>(settings.min_iterations, kRootIterations);
  // Only the calling thread polls; the others stop with it.
  Monitor watched([this] { return context_.monitor->stopped(); });
  Context context;
  if (context_.monitor != nullptr) context.monitor = thread == 0 ? context_.monitor : &watched;
  auto node = std::make_shared<Node>();
  node->signs = signs;
  node->bound =
      dnn_bound(data_, signs, settings, parent ? &parent->signs : nullptr, parent ? &parent->bound : nullptr, context);
  return node;
}

void Search::look_at(const DnnBound& bound) {
  result_.iterations += bound.iterations;
  if (bound.lower > lower_) lower_ = bound.lower, direction_ = bound.direction;
}

void Search::keep(const Node& node) {
  closed_upper_ = std::max(closed_upper_, node.bound.upper);
  if (!settings_.keep_leaves) return;
  BranchLeaf leaf;
  leaf.signs = Signs::Zero(m_ + data_.outputs());
  for (Index i = 0; i < data_.size(); ++i) leaf.signs(data_.samples[static_cast<std::size_t>(i)]) = node.signs(i);
  leaf.signs.tail(data_.outputs()) = node.signs.tail(data_.outputs());
  leaf.upper = data_.unscaled_up(node.bound.upper);
  leaf.multipliers = node.bound.multipliers;
  result_.leaves.push_back(std::move(leaf));
}

void Search::add(NodePointer node) {
  node->number = ++result_.nodes;
  if (node->bound.upper <= target() || splits_on(*node) < 0)
    keep(*node);
  else
    open_.push(std::move(node));
}

double Search::open_upper() const { return open_.empty() ? 0.0 : open_.top()->bound.upper; }

BranchResult Search::finish(BranchStop stop) {
  result_.stop = stop;
  double upper = std::max(closed_upper_, open_upper());
  while (!open_.empty()) {
    keep(*open_.top());
    open_.pop();
  }
  result_.upper = data_.unscaled_up(upper);
  result_.lower = std::max(data_.unscaled_down(lower_), settings_.lower);
  result_.direction = direction_;
  result_.seconds = seconds_now() - begin_;
  return std::move(result_);
}

BranchResult Search::run() {
  deadline_ = begin_ + settings_.max_seconds;
  enough_ = data_.scaled(settings_.enough) * (1.0 - 1e-15);
  lower_ = 0.0;
  direction_ = Vector::Unit(data_.inputs(), 0);
  if (settings_.direction.size() > 0 && settings_.direction.stableNorm() > 0.0) {
    direction_ = settings_.direction / settings_.direction.stableNorm();
    lower_ = attained(data_, direction_);
  }
  lower_ = std::max(lower_, data_.scaled(settings_.lower));

  Signs none = Signs::Zero(data_.size() + data_.outputs());
  // What is proved before any iteration: the diagonal Shor bound (U1) with equal multipliers.
  auto root = std::make_shared<Node>();
  root->signs = none;
  DnnSettings nothing = settings_.bound;
  nothing.max_iterations = 0;
  root->bound = dnn_bound(data_, none, nothing, nullptr, nullptr, Context{});
  try {
    root = bounded(none, nullptr, target(), 0);
    look_at(root->bound);
  } catch (const Interrupted&) {
    add(root);
    return finish(BranchStop::interrupted);
  }
  result_.root = data_.unscaled_up(root->bound.upper);
  add(root);
  while (!open_.empty()) {
    if (open_upper() <= std::max(target(), closed_upper_)) break;
    if (result_.nodes >= settings_.max_nodes) return finish(BranchStop::nodes);
    if (seconds_now() >= deadline_) return finish(BranchStop::seconds);
    std::vector<NodePointer> parents;
    while (!open_.empty() && static_cast<Index>(parents.size()) < kBatch && open_.top()->bound.upper > target()) {
      parents.push_back(open_.top());
      open_.pop();
    }
    const double enough = target();
    std::vector<NodePointer> children(2 * parents.size());
    try {
      parallel_for(static_cast<Index>(children.size()), context_, [&](Index i, int thread) {
        const Node& parent = *parents[static_cast<std::size_t>(i / 2)];
        Signs signs = parent.signs;
        signs(splits_on(parent)) = i % 2 == 0 ? 1 : -1;
        children[static_cast<std::size_t>(i)] = bounded(signs, &parent, enough, thread);
      });
    } catch (const Interrupted&) {
      for (NodePointer& parent : parents) open_.push(std::move(parent));
      return finish(BranchStop::interrupted);
    }
    for (const NodePointer& child : children) look_at(child->bound);
    for (NodePointer& child : children) add(std::move(child));
  }
  const double upper = std::max(closed_upper_, open_upper());
  if (upper <= enough_) return finish(BranchStop::enough);
  return finish(upper <= target() ? BranchStop::tolerance : BranchStop::exhausted);
}

}  // namespace

BranchResult branch_and_bound(const ConstMatrixView& x, const ConstMatrixView& q, double slope,
                              const BranchSettings& settings, const Context& context) {
  require(settings.tolerance >= 0.0, "tolerance must not be negative");
  require(settings.direction.size() == 0 || settings.direction.size() == x.cols(), "direction must have d entries");
  return Search(x, q, slope, settings, context).run();
}

}  // namespace landscape::homogeneous
