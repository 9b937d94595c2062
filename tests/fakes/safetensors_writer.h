#pragma once

#include <string>
#include <string_view>

#include <ATen/core/Tensor.h>

namespace triptych::fakes {

// Collects tensors and gives the bytes of a safetensors file that holds them in the order they were
// added.
class SafetensorsWriter {
 public:
  SafetensorsWriter& Add(std::string_view name, const at::Tensor& tensor);
  std::string Bytes() const;

 private:
  std::string entries_;  // of the header, with commas between them
  std::string data_;
};

// A file of any header and data, for readers that must refuse it.
std::string SafetensorsBytes(std::string_view header, std::string_view data);

}  // namespace triptych::fakes
