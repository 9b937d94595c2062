#pragma once

#include <string>

#include "common/status.h"
#include "worker/weights/tensor_file.h"

namespace triptych::weights {

// Maps a safetensors file and checks its header strictly. kFailedPrecondition names the file and,
// where there is one, the tensor. Its tensors come in the order of their bytes.
StatusOr<TensorFile> OpenSafetensors(const std::string& path);

}  // namespace triptych::weights
