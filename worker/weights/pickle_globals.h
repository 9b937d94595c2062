#pragma once

#include <string_view>

#include "common/status.h"
#include "worker/weights/pickle_heap.h"

namespace triptych::weights {

// What the globals of a pickled state dict stand for. Nothing is called: each is a description of
// data that is taken apart here. All errors are kFailedPrecondition.

// The allowed globals: collections.OrderedDict, torch._utils._rebuild_tensor_v2,
// torch._utils._rebuild_parameter, and the storage types of torch that have a dtype
// (torch.HalfStorage).
StatusOr<PickleRef> FindGlobal(PickleHeap& heap, std::string_view module, std::string_view name);
// `callable`(*arguments) for the first three: an empty dict, a tensor, the parameter's tensor.
StatusOr<PickleRef> Call(PickleHeap& heap, PickleRef callable, PickleRef arguments);
// A storage, by the id that torch.save gives it: ('storage', type, key, location, elements). Where
// it lay when it was saved does not matter.
StatusOr<PickleRef> LoadPersistent(PickleHeap& heap, PickleRef id);
// Attributes of an OrderedDict, which state_dict() has as `_metadata`: looked at and dropped.
Status SetAttributes(const PickleHeap& heap, PickleRef object, PickleRef state);

}  // namespace triptych::weights
