#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "worker/quantization/scheme.h"
#include "worker/weights/weight_loader.h"

namespace triptych::quantization {

// A checkpoint of quantised layers under the names that it would have in floating point, for models
// that check which tensors are there: Names() gives "x.weight" in place of x's quantised tensors.
// Published XComposer2 checkpoints of GPTQ have them under "x.linear", which Names() gives as x.
// All else is the other loader's. Immutable, thread-safe.
class PlainNames final : public weights::WeightLoader {
 public:
  // `loader` outlives it. kFailedPrecondition names a layer that is stored both ways.
  static StatusOr<std::unique_ptr<PlainNames>> Over(const weights::WeightLoader* loader,
                                                    const Scheme& scheme);

  StatusOr<at::Tensor> Load(std::string_view name,
                            const std::vector<int64_t>& shape,
                            weights::Slice slice) const override {
    return loader_.Load(name, shape, slice);
  }
  StatusOr<at::Tensor> LoadIntegers(std::string_view name,
                                    const std::vector<int64_t>& shape,
                                    weights::Slice slice) const override {
    return loader_.LoadIntegers(name, shape, slice);
  }
  bool Has(std::string_view name) const override { return loader_.Has(name); }
  StatusOr<std::vector<int64_t>> Shape(std::string_view name) const override {
    return loader_.Shape(name);
  }
  std::vector<std::string> Names() const override { return names_; }
  int64_t StoredBytes(std::string_view name) const override { return loader_.StoredBytes(name); }

 private:
  PlainNames(const weights::WeightLoader* loader, std::vector<std::string> names)
      : loader_(*loader), names_(std::move(names)) {}

  const weights::WeightLoader& loader_;
  const std::vector<std::string> names_;
};

// The name under which a layer's quantised tensors are stored: `name` or `name`.linear.
std::string QuantizedName(const weights::WeightLoader& loader, const std::string& name);

// A tensor of a quantised layer; empty where there is none.
std::string FindQuantizedTensor(const weights::WeightLoader& loader);

}  // namespace triptych::quantization
