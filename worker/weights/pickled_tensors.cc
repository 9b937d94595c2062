#include "worker/weights/pickled_tensors.h"

#include <utility>

#include "common/string_map.h"
#include "worker/weights/pickle_machine.h"
#include "worker/weights/safetensors_header.h"

namespace triptych::weights {
namespace {

using Kind = PickleValue::Kind;

StatusOr<std::string> Name(const PickleValue& key) {
  if (key.kind != Kind::kText)
    return FailedPrecondition("a key is {}: a flat dict of named tensors is wanted", Describe(key));
  if (key.text.empty() || key.text.size() > kMaxTensorNameBytes)
    return FailedPrecondition("a tensor's name has {} bytes", key.text.size());
  for (const char c : key.text) {
    if (c < ' ' || c > '~')
      return FailedPrecondition("'{}': the name is not printable ASCII", Printable(key.text));
  }
  return std::string(key.text);
}

// The tensor's place within its storage, in 64 bits whatever its numbers are.
Status CheckPlace(const PickledTensor& tensor, int64_t max_bytes) {
  if (tensor.shape.size() != tensor.strides.size())
    return FailedPrecondition(
        "has {} dimensions and {} strides", tensor.shape.size(), tensor.strides.size());
  int64_t bytes = DtypeBytes(tensor.storage.dtype);
  int64_t last = tensor.offset;  // the index of its last element
  bool fits = tensor.offset >= 0;
  for (size_t i = 0; fits && i < tensor.shape.size(); ++i) {
    const int64_t extent = tensor.shape[i], stride = tensor.strides[i];
    if (extent == 0) return FailedPrecondition("has no elements");
    int64_t step = 0;
    fits = extent > 0 && stride >= 0 && !__builtin_mul_overflow(bytes, extent, &bytes) &&
           !__builtin_mul_overflow(extent - 1, stride, &step) &&
           !__builtin_add_overflow(last, step, &last);
  }
  if (!fits || last >= tensor.storage.num_elements)
    return FailedPrecondition("reaches out of its storage of {} elements",
                              tensor.storage.num_elements);
  if (bytes > max_bytes)
    return FailedPrecondition("takes {} bytes, more than the whole file", bytes);
  return OkStatus();
}

// What is usual instead of a flat dict is said how to mend.
Status NotATensor(const std::string& name, const PickleValue& value) {
  if (value.kind == Kind::kDict)
    return FailedPrecondition(
        "'{}' is {}, not a tensor: a flat dict of tensors is wanted; if '{}' is the state dict, "
        "save it alone",
        name,
        Describe(value),
        name);
  return FailedPrecondition(
      "'{}' is {}, not a tensor: a flat dict of tensors is wanted", name, Describe(value));
}

}  // namespace

StatusOr<std::vector<NamedTensor>> ReadPickledTensors(std::span<const std::byte> pickle,
                                                      int64_t max_bytes) {
  PickleHeap heap;
  TRIPTYCH_ASSIGN_OR_RETURN(const PickleRef root, RunPickle(pickle, heap));
  const PickleValue& dict = heap.at(root);
  if (dict.kind != Kind::kDict)
    return FailedPrecondition("it holds {}: a flat dict of tensors is wanted", Describe(dict));
  std::vector<NamedTensor> tensors;
  StringSet names;
  for (size_t i = 0; i < dict.items.size(); i += 2) {
    TRIPTYCH_ASSIGN_OR_RETURN(const std::string name, Name(heap.at(dict.items[i])));
    const PickleValue& value = heap.at(dict.items[i + 1]);
    if (value.kind != Kind::kTensor) return NotATensor(name, value);
    if (!names.insert(name).second) return FailedPrecondition("'{}' is there twice", name);
    if (tensors.size() == kMaxTensors)
      return FailedPrecondition("more than {} tensors", kMaxTensors);
    const PickledTensor& tensor = heap.tensor(value);
    const Status status = CheckPlace(tensor, max_bytes);
    if (!status.ok()) return WithContext(fmt::format("tensor '{}'", name), status);
    tensors.push_back({name, tensor});
  }
  return tensors;
}

}  // namespace triptych::weights
