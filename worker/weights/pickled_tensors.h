#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "common/status.h"
#include "worker/weights/pickle_heap.h"

namespace triptych::weights {

struct NamedTensor {
  std::string name;
  PickledTensor tensor;  // its texts are those of the pickle
};

// The tensors of a pickle that is one flat dict of them, as a model's state_dict() is. Each is
// checked to lie within its storage as the pickle gives that one's size, to have elements, and to
// take no more than `max_bytes`. kFailedPrecondition names what else was found, and where.
StatusOr<std::vector<NamedTensor>> ReadPickledTensors(std::span<const std::byte> pickle,
                                                      int64_t max_bytes);

}  // namespace triptych::weights
