#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "common/string_map.h"
#include "worker/kernels/linear.h"
#include "worker/weights/weight_loader.h"

namespace triptych::vision {

// Reads an encoder's tensors in the dtype that it computes with. Remembers what it read, so that a tensor nobody reads is noticed.
class WeightReader {
 public:
  WeightReader(const weights::WeightLoader* loader, at::Device device, at::ScalarType dtype);

  StatusOr<at::Tensor> Tensor(const std::string& name, const std::vector<int64_t>& shape);  // on the device
  StatusOr<at::Tensor> Float(const std::string& name, const std::vector<int64_t>& shape);   // float32 on the CPU
  StatusOr<std::vector<int64_t>> Shape(const std::string& name) const { return loader_->Shape(name); }
  // `prefix`.weight [out, in] and `prefix`.bias [out].
  StatusOr<kernels::PackedLinear> Linear(const std::string& prefix, int64_t in, int64_t out);
  // Several layers of one input as one: their outputs stand side by side.
  StatusOr<kernels::PackedLinear> FusedLinear(const std::vector<std::string>& prefixes, int64_t in, int64_t out_each);

  // What is stored under `prefix` and not needed counts as read.
  void Skip(const std::string& prefix);
  // kFailedPrecondition names a tensor under `prefixes` that was not read.
  Status CheckAllRead(const std::vector<std::string>& prefixes) const;

  at::Device device() const { return device_; }
  at::ScalarType dtype() const { return dtype_; }

 private:
  const weights::WeightLoader* loader_;  // not owned
  at::Device device_;
  at::ScalarType dtype_;
  StringSet used_;
};

}  // namespace triptych::vision
