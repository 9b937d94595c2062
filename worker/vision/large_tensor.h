#pragma once

#include <ATen/core/Tensor.h>

namespace triptych::vision {

// An uninitialised tensor on the CPU, in huge pages where the system gives them: the first touch of a picture's tiles in small
// ones costs more than computing them.
at::Tensor LargeTensor(at::IntArrayRef shape, at::ScalarType dtype);

}  // namespace triptych::vision
