#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/status.h"

namespace triptych::weights {

// A storage that a pickle names: the bytes of one or more tensors, which lie beside the pickle.
struct PickledStorage {
  std::string_view key;
  std::string_view dtype;  // as safetensors names it: "BF16"
  int64_t num_elements = 0;
};

// A tensor as a pickle describes it: a view of a storage, in elements. Nothing of it has been
// checked.
struct PickledTensor {
  PickledStorage storage;
  int64_t offset = 0;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
};

// The globals that a pickle may name: whatever else it names is refused before anything is done
// with it.
enum class PickleGlobal { kOrderedDict, kRebuildTensor, kRebuildParameter, kStorageType };

using PickleRef = uint32_t;  // of a value in a heap

struct PickleValue {
  enum class Kind : uint8_t {
    kNone,
    kFlag,
    kInteger,
    kFraction,
    kText,
    kTuple,
    kList,
    kDict,
    kGlobal,
    kStorage,
    kTensor
  };
  Kind kind = Kind::kNone;
  PickleGlobal global = PickleGlobal::kOrderedDict;
  // kFlag, kInteger: the value; kStorage, kTensor: its index.
  int64_t number = 0;
  std::string_view text;         // kText; a kGlobal storage type's dtype
  std::vector<PickleRef> items;  // kTuple, kList; kDict: key, value, key, value ...
};

inline constexpr size_t kMaxPickleValues = 1 << 21;

// What a pickle has made so far. Values refer to each other by number, so neither cycles nor depth
// do harm. Texts are those of the pickle, which must outlive the heap.
class PickleHeap {
 public:
  StatusOr<PickleRef> Add(PickleValue value) {
    if (values_.size() == kMaxPickleValues)
      return FailedPrecondition("the pickle makes more than {} values", kMaxPickleValues);
    values_.push_back(std::move(value));
    return static_cast<PickleRef>(values_.size() - 1);
  }
  StatusOr<PickleRef> AddStorage(PickledStorage storage) {
    storages_.push_back(storage);
    return Add({.kind = PickleValue::Kind::kStorage,
                .number = static_cast<int64_t>(storages_.size() - 1)});
  }
  StatusOr<PickleRef> AddTensor(PickledTensor tensor) {
    tensors_.push_back(std::move(tensor));
    return Add(
        {.kind = PickleValue::Kind::kTensor, .number = static_cast<int64_t>(tensors_.size() - 1)});
  }

  PickleValue& at(PickleRef ref) { return values_[ref]; }
  const PickleValue& at(PickleRef ref) const { return values_[ref]; }
  const PickledStorage& storage(const PickleValue& value) const { return storages_[value.number]; }
  const PickledTensor& tensor(const PickleValue& value) const { return tensors_[value.number]; }

 private:
  std::vector<PickleValue> values_;
  std::vector<PickledStorage> storages_;
  std::vector<PickledTensor> tensors_;
};

// "a dict of 3 entries", for messages.
std::string Describe(const PickleValue& value);
// A text of the pickle for messages: cut to 100 bytes, with '?' for what is not printable ASCII.
std::string Printable(std::string_view text);

}  // namespace triptych::weights
