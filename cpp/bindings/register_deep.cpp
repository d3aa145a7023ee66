#include <pybind11/stl.h>

#include <memory>

#include "common.hpp"
#include "hessian_object.hpp"
#include "landscape/linalg/lanes.hpp"
#include "landscape/linear/deep.hpp"
#include "landscape/parallel.hpp"

namespace landscape::bindings {

namespace deep_bindings {

using linear::DeepHessian;
using linear::DeepState;
using linear::Layers;

// A batch of points (W1, ..., WL) or directions; every layer is single or has the same batch axis.
struct LayerBatch {
  std::vector<MatrixBatch> layers;

  LayerBatch(const std::vector<Array>& w, Index outputs, Index inputs) {
    require_shape(!w.empty(), "W", "at least one layer");
    for (const Array& block : w) layers.emplace_back(block, "W");
    Index width = inputs;
    for (const MatrixBatch& layer : layers) {
      require_shape(layer.cols() == width, "W", "layers (n_l, n_{l-1}) that fit each other and the inputs");
      require_shape(layer.batched() == batched() && layer.size() == size(), "W", "of the same batch size");
      width = layer.rows();
    }
    require_shape(width == outputs, "W", "layers whose last has as many rows as there are outputs");
  }

  bool batched() const { return layers.front().batched(); }
  Index size() const { return layers.front().size(); }

  Layers operator[](Index i) const {
    Layers item;
    take(i, item);
    return item;
  }
  // The same into a vector that keeps its memory.
  void take(Index i, Layers& item) const {
    item.clear();
    for (const MatrixBatch& layer : layers) item.push_back(layer[i]);
  }

  bool same_shapes(const LayerBatch& other) const {
    if (layers.size() != other.layers.size()) return false;
    for (std::size_t l = 0; l < layers.size(); ++l)
      if (layers[l].rows() != other.layers[l].rows() || layers[l].cols() != other.layers[l].cols()) return false;
    return true;
  }

  linear::Widths widths() const {
    linear::Widths result{layers.front().cols()};
    for (const MatrixBatch& layer : layers) result.push_back(layer.rows());
    return result;
  }
};

LayerBatch layers_of(const RiskObject& object, const std::vector<Array>& w) {
  return {w, object.risk.outputs(), object.risk.inputs()};
}

// Packed results: (N,), or (B, N) with the batch axis of the operands.
Array packed_like(bool batched, Index size, Index parameters) {
  return batched ? Array({size, parameters}) : Array(std::vector<py::ssize_t>{parameters});
}

// Gradients in arrays of the shapes of the layers, filled from packed ones.
struct LayerArrays {
  std::vector<Array> arrays;
  std::vector<double*> data;
  std::vector<Index> sizes;

  explicit LayerArrays(const LayerBatch& p) {
    for (const MatrixBatch& layer : p.layers) {
      arrays.push_back(empty_like_batch(p.batched(), p.size(), {layer.rows(), layer.cols()}));
      data.push_back(arrays.back().mutable_data());
      sizes.push_back(layer.rows() * layer.cols());
    }
  }
  void store(Index i, const double* packed) {
    for (std::size_t l = 0; l < data.size(); ++l) {
      std::copy_n(packed, sizes[l], data[l] + i * sizes[l]);
      packed += sizes[l];
    }
  }
};

// Values of a point or a batch, and gradients unless `slopes` is null. Small networks go lane by lane, alone or not: a
// batch has the bits of its members.
void evaluate(const RiskObject& object, const LayerBatch& p, double* values, LayerArrays* slopes, int n_threads,
              const Context& context) {
  const bool small = linear::small_enough_for_lanes(object.risk, p.widths());
  const Index together = small ? linalg::kLanes : 1, parameters = linear::parameter_count(p.widths());
  const Index groups = (p.size() + together - 1) / together;
  const Split split(context, groups);
  struct Scratch {
    linear::LaneState lanes;
    DeepState one;
    Layers points[linalg::kLanes];
    std::vector<double> packed;
  };
  std::vector<Scratch> scratch(static_cast<std::size_t>(std::max(1, n_threads)));
  parallel_for(groups, split.outer, [&](Index group, int thread) {
    Scratch& own = scratch[static_cast<std::size_t>(thread)];
    own.packed.resize(static_cast<std::size_t>(slopes == nullptr ? 0 : together * parameters));
    const Index first = group * together, count = std::min(together, p.size() - first);
    if (small) {
      double* g[linalg::kLanes];
      for (Index i = 0; i < count; ++i) {
        p.take(first + i, own.points[i]);
        g[i] = own.packed.data() + i * parameters;
      }
      linear::gradients_in_lanes(object.risk, own.points, count, values + first, slopes == nullptr ? nullptr : g,
                                 own.lanes, split.inner);
    } else if (slopes == nullptr) {
      values[first] = linear::value(object.risk, p[first], own.one, split.inner);
    } else {
      values[first] = linear::gradient(object.risk, p[first], own.packed.data(), own.one, split.inner);
    }
    if (slopes != nullptr)
      for (Index i = 0; i < count; ++i) slopes->store(first + i, own.packed.data() + i * parameters);
  });
}

Array value(const RiskObject& object, const std::vector<Array>& w, int n_threads) {
  const LayerBatch p = layers_of(object, w);
  Array result(p.size());
  double* out = result.mutable_data();
  without_gil(n_threads, [&](const Context& context) { evaluate(object, p, out, nullptr, n_threads, context); });
  return result;
}

py::tuple gradient(const RiskObject& object, const std::vector<Array>& w, int n_threads) {
  const LayerBatch p = layers_of(object, w);
  Array values(p.size());
  LayerArrays slopes(p);
  double* out = values.mutable_data();
  without_gil(n_threads, [&](const Context& context) { evaluate(object, p, out, &slopes, n_threads, context); });
  return py::make_tuple(values, slopes.arrays);
}

// Many p with one d, or pairwise: the products H d, packed. (One p with many d is DeepHessian.apply.)
Array hvp(const RiskObject& object, const std::vector<Array>& w, const std::vector<Array>& direction, int n_threads) {
  const LayerBatch p = layers_of(object, w), d = layers_of(object, direction);
  require_shape(p.same_shapes(d), "d", "of the shapes of p");
  require_shape(p.batched() && (!d.batched() || p.size() == d.size()), "p, d", "of the same batch size");
  const Index size = p.size();
  const Index parameters = linear::parameter_count(p.widths());
  Array result = packed_like(true, size, parameters);
  double* out = result.mutable_data();
  without_gil(n_threads, [&](const Context& context) {
    const Split split(context, size);
    std::vector<DeepState> change(static_cast<std::size_t>(std::max(1, n_threads)));
    std::vector<std::vector<double>> packed(change.size(), std::vector<double>(static_cast<std::size_t>(parameters)));
    parallel_for(size, split.outer, [&](Index i, int thread) {
      const auto slot = static_cast<std::size_t>(thread);
      double* flat = packed[slot].data();
      for (const ConstMatrixMap& block : d[i]) flat = std::copy(block.data(), block.data() + block.size(), flat);
      const DeepHessian hessian(object.risk, p[i], split.inner);
      hessian.apply(packed[slot].data(), out + i * parameters, change[slot], split.inner);
    });
  });
  return result;
}

}  // namespace deep_bindings

DeepHessianObject::DeepHessianObject(std::shared_ptr<RiskObject> object, const std::vector<Array>& w, int n_threads)
    : risk(std::move(object)) {
  using namespace deep_bindings;
  const LayerBatch p = layers_of(*risk, w);
  require_shape(!p.batched(), "W", "2-D arrays");
  hessian = without_gil(
      n_threads, [&](const Context& context) { return std::make_unique<DeepHessian>(risk->risk, p[0], context); });
}

Index DeepHessianObject::size() const { return hessian->size(); }

linalg::SymmetricOperator DeepHessianObject::flat(const Context& context) const {
  using namespace deep_bindings;
  const DeepHessian* operation = hessian.get();
  const auto change = std::make_shared<DeepState>();
  return [operation, &context, change](const double* x, double* y) { operation->apply(x, y, *change, context); };
}

void DeepHessianObject::rows(const double* in, double* out, Index items, const Context& context) const {
  constexpr Index together = linear::DeepHessian::kTogether;
  const Index groups = (items + together - 1) / together;
  const Split split(context, groups);
  std::vector<linear::DeepBatch> scratch(static_cast<std::size_t>(std::max(1, context.n_threads)));
  parallel_for(groups, split.outer, [&](Index group, int thread) {
    const Index first = group * together;
    hessian->apply_together(in + first * size(), out + first * size(), std::min(together, items - first),
                            scratch[static_cast<std::size_t>(thread)], split.inner);
  });
}

void register_deep(py::module_& module) {
  using namespace deep_bindings;
  py::class_<DeepHessianObject, HessianObject>(module, "DeepHessian",
                                               "The Hessian of the deep linear risk at one point.")
      .def(py::init<std::shared_ptr<RiskObject>, const std::vector<Array>&, int>(), py::arg("risk"),
           py::arg("w").noconvert(), py::arg("n_threads"));
  module.def("deep_value", &value, py::arg("risk"), py::arg("w").noconvert(), py::arg("n_threads"),
             "Values of a point or a batch, always a 1-D array.");
  module.def("deep_gradient", &gradient, py::arg("risk"), py::arg("w").noconvert(), py::arg("n_threads"),
             "Values, and gradients with the shapes of w.");
  module.def("deep_hvp", &hvp, py::arg("risk"), py::arg("w").noconvert(), py::arg("d").noconvert(),
             py::arg("n_threads"), "Packed Hessian-vector products.");
}

}  // namespace landscape::bindings
