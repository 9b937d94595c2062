#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "common/string_map.h"
#include "worker/weights/weight_loader.h"

namespace triptych::weights {

using ShapeMap = StringMap<std::vector<int64_t>>;

// Random weights in place of a checkpoint, bfloat16, for whatever name and shape is asked: to
// measure speed and memory without one. Each element is a function of the tensor's name and its
// place in the whole tensor, so that slices fit together, on all ranks, machines and runs. Matrices
// are uniform with variance 1 / inputs, which keeps activations of the size of their inputs;
// vectors called .weight (norms) lie within 0.05 of 1, other vectors (biases) of 0. Immutable,
// thread-safe.
class DummyLoader final : public WeightLoader {
 public:
  enum class Content { kRandom, kNone };  // kNone: tensors on the meta device, to measure memory

  // `shapes`: of tensors whose shapes a model reads from its checkpoint, or whose presence it asks
  // for; all others are absent when asked for with Has() or Shape(), and can be loaded all the
  // same.
  explicit DummyLoader(ShapeMap shapes, Content content = Content::kRandom)
      : shapes_(std::move(shapes)), content_(content) {}

  StatusOr<at::Tensor> Load(std::string_view name,
                            const std::vector<int64_t>& shape,
                            Slice slice) const override;
  // Always kFailedPrecondition: there are no quantised dummies.
  StatusOr<at::Tensor> LoadIntegers(std::string_view name,
                                    const std::vector<int64_t>& shape,
                                    Slice slice) const override;
  bool Has(std::string_view name) const override { return shapes_.contains(name); }
  StatusOr<std::vector<int64_t>> Shape(std::string_view name) const override;
  std::vector<std::string> Names() const override { return {}; }
  int64_t StoredBytes(std::string_view) const override { return 0; }

 private:
  const ShapeMap shapes_;
  const Content content_;
};

}  // namespace triptych::weights
