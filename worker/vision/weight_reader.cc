#include "worker/vision/weight_reader.h"

#include <algorithm>

#include <ATen/ops/cat.h>

#include "worker/kernels/placed.h"

namespace triptych::vision {

WeightReader::WeightReader(const weights::WeightLoader* loader, at::Device device, at::ScalarType dtype)
    : loader_(loader), device_(device), dtype_(dtype) {}

StatusOr<at::Tensor> WeightReader::Float(const std::string& name, const std::vector<int64_t>& shape) {
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor stored, loader_->Load(name, shape, weights::Slice::All()));
  used_.insert(name);
  return stored.to(at::kFloat);
}

StatusOr<at::Tensor> WeightReader::Tensor(const std::string& name, const std::vector<int64_t>& shape) {
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor stored, Float(name, shape));
  return kernels::Placed(stored, device_, dtype());
}

StatusOr<kernels::PackedLinear> WeightReader::Linear(const std::string& prefix, int64_t in, int64_t out) {
  return FusedLinear({prefix}, in, out);
}

StatusOr<kernels::PackedLinear> WeightReader::FusedLinear(const std::vector<std::string>& prefixes,
                                                          int64_t in,
                                                          int64_t out_each) {
  std::vector<at::Tensor> weights, biases;
  for (const std::string& prefix : prefixes) {
    TRIPTYCH_ASSIGN_OR_RETURN(at::Tensor weight, Float(prefix + ".weight", {out_each, in}));
    TRIPTYCH_ASSIGN_OR_RETURN(at::Tensor bias, Float(prefix + ".bias", {out_each}));
    weights.push_back(std::move(weight));
    biases.push_back(std::move(bias));
  }
  return kernels::PackedLinear::Pack(at::cat(weights).to(dtype()), at::cat(biases).to(dtype()), device_);
}

void WeightReader::Skip(const std::string& prefix) {
  for (const std::string& name : loader_->Names()) {
    if (name.starts_with(prefix)) used_.insert(name);
  }
}

Status WeightReader::CheckAllRead(const std::vector<std::string>& prefixes) const {
  StringSet used = used_;
  for (const std::string& name : loader_->Names()) {
    const bool ours = std::any_of(prefixes.begin(), prefixes.end(),
                                  [&name](const std::string& prefix) { return name.starts_with(prefix); });
    if (!ours) used.insert(name);
  }
  return weights::CheckNoExtra(*loader_, used);
}

}  // namespace triptych::vision
