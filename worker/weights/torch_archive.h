#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "common/status.h"
#include "worker/weights/tensor_file.h"

namespace triptych::weights {

// Maps an archive that torch.save wrote (since torch 1.6: a zip file with a pickle and the storages
// beside it) and finds the tensors of the dict in it. Nothing is executed: see pickle_machine.h for
// what is read of the pickle. Tensors may share storages and have any strides. The checksum of the
// pickle is verified, those of the storages are not, as that would read them whole.
// kFailedPrecondition names the file and what in it is wrong or not allowed.
StatusOr<TensorFile> OpenTorchArchive(const std::string& path);
// The same of bytes in memory, which must outlive the tensors. Errors do not name the file.
StatusOr<std::vector<StoredTensor>> ParseTorchArchive(std::span<const std::byte> file);

}  // namespace triptych::weights
