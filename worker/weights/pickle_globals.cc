#include "worker/weights/pickle_globals.h"

#include <array>
#include <utility>

#include "worker/weights/safetensors_header.h"

namespace triptych::weights {
namespace {

using Kind = PickleValue::Kind;

constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kStorageDtypes = {
    {{"FloatStorage", "F32"},
     {"HalfStorage", "F16"},
     {"BFloat16Storage", "BF16"},
     {"DoubleStorage", "F64"},
     {"CharStorage", "I8"},
     {"ByteStorage", "U8"},
     {"ShortStorage", "I16"},
     {"IntStorage", "I32"},
     {"LongStorage", "I64"},
     {"BoolStorage", "BOOL"}}};

bool IsEmptyDict(const PickleValue& value) {
  return value.kind == Kind::kDict && value.items.empty();
}

StatusOr<std::vector<int64_t>> Numbers(const PickleHeap& heap, PickleRef tuple) {
  const std::vector<PickleRef>& items = heap.at(tuple).items;
  if (items.size() > kMaxDimensions)
    return FailedPrecondition(
        "a tensor has {} dimensions, at most {} are allowed", items.size(), kMaxDimensions);
  std::vector<int64_t> numbers;
  for (const PickleRef item : items) {
    if (heap.at(item).kind != Kind::kInteger)
      return FailedPrecondition("a tensor's shape or strides hold {}", Describe(heap.at(item)));
    numbers.push_back(heap.at(item).number);
  }
  return numbers;
}

// (storage, offset, shape, strides, requires_grad, hooks), and in some versions metadata behind.
StatusOr<PickleRef> RebuildTensor(PickleHeap& heap, const std::vector<PickleRef>& arguments) {
  constexpr std::array kKinds = {
      Kind::kStorage, Kind::kInteger, Kind::kTuple, Kind::kTuple, Kind::kFlag, Kind::kDict};
  bool fits = arguments.size() == kKinds.size() || arguments.size() == kKinds.size() + 1;
  for (size_t i = 0; fits && i < kKinds.size(); ++i) fits = heap.at(arguments[i]).kind == kKinds[i];
  if (!fits) return FailedPrecondition("torch._utils._rebuild_tensor_v2 has other arguments");
  if (!IsEmptyDict(heap.at(arguments[5])))
    return FailedPrecondition("torch._utils._rebuild_tensor_v2: backward hooks are not read");
  if (arguments.size() > kKinds.size()) {
    const PickleValue& metadata = heap.at(arguments.back());
    if (metadata.kind != Kind::kNone && !IsEmptyDict(metadata))
      return FailedPrecondition(
          "torch._utils._rebuild_tensor_v2: tensors that are conjugated or negated are not read");
  }
  PickledTensor tensor{.storage = heap.storage(heap.at(arguments[0])),
                       .offset = heap.at(arguments[1]).number};
  TRIPTYCH_ASSIGN_OR_RETURN(tensor.shape, Numbers(heap, arguments[2]));
  TRIPTYCH_ASSIGN_OR_RETURN(tensor.strides, Numbers(heap, arguments[3]));
  return heap.AddTensor(std::move(tensor));
}

// (tensor, requires_grad, hooks)
StatusOr<PickleRef> RebuildParameter(const PickleHeap& heap,
                                     const std::vector<PickleRef>& arguments) {
  const bool fits = arguments.size() == 3 && heap.at(arguments[0]).kind == Kind::kTensor &&
                    heap.at(arguments[1]).kind == Kind::kFlag && IsEmptyDict(heap.at(arguments[2]));
  if (!fits) return FailedPrecondition("torch._utils._rebuild_parameter has other arguments");
  return arguments[0];
}

}  // namespace

StatusOr<PickleRef> FindGlobal(PickleHeap& heap, std::string_view module, std::string_view name) {
  const auto add = [&heap](PickleGlobal global, std::string_view dtype = {}) {
    return heap.Add({.kind = Kind::kGlobal, .global = global, .text = dtype});
  };
  if (module == "collections" && name == "OrderedDict") return add(PickleGlobal::kOrderedDict);
  if (module == "torch._utils" && name == "_rebuild_tensor_v2")
    return add(PickleGlobal::kRebuildTensor);
  if (module == "torch._utils" && name == "_rebuild_parameter")
    return add(PickleGlobal::kRebuildParameter);
  for (const auto& [type, dtype] : kStorageDtypes) {
    if (module == "torch" && name == type) return add(PickleGlobal::kStorageType, dtype);
  }
  return FailedPrecondition(
      "global '{}.{}' is not allowed: only tensors are read", Printable(module), Printable(name));
}

StatusOr<PickleRef> Call(PickleHeap& heap, PickleRef callable, PickleRef arguments) {
  if (heap.at(callable).kind != Kind::kGlobal || heap.at(arguments).kind != Kind::kTuple)
    return FailedPrecondition(
        "REDUCE of {} with {}", Describe(heap.at(callable)), Describe(heap.at(arguments)));
  const std::vector<PickleRef> items = heap.at(arguments).items;
  switch (heap.at(callable).global) {
    case PickleGlobal::kOrderedDict:
      if (items.empty()) return heap.Add({.kind = Kind::kDict});
      return FailedPrecondition("collections.OrderedDict has arguments");
    case PickleGlobal::kRebuildTensor:
      return RebuildTensor(heap, items);
    case PickleGlobal::kRebuildParameter:
      return RebuildParameter(heap, items);
    case PickleGlobal::kStorageType:
      break;
  }
  return FailedPrecondition("REDUCE of a storage type");
}

StatusOr<PickleRef> LoadPersistent(PickleHeap& heap, PickleRef id) {
  const std::vector<PickleRef>& items = heap.at(id).items;
  const auto is = [&](size_t i, Kind kind) { return heap.at(items[i]).kind == kind; };
  const bool fits = heap.at(id).kind == Kind::kTuple && items.size() == 5 && is(0, Kind::kText) &&
                    heap.at(items[0]).text == "storage" && is(1, Kind::kGlobal) &&
                    heap.at(items[1]).global == PickleGlobal::kStorageType && is(2, Kind::kText) &&
                    is(3, Kind::kText) && is(4, Kind::kInteger) && heap.at(items[4]).number >= 0;
  if (!fits)
    return FailedPrecondition(
        "BINPERSID of something else than ('storage', type, key, location, elements)");
  return heap.AddStorage({.key = heap.at(items[2]).text,
                          .dtype = heap.at(items[1]).text,
                          .num_elements = heap.at(items[4]).number});
}

Status SetAttributes(const PickleHeap& heap, PickleRef object, PickleRef state) {
  if (heap.at(object).kind == Kind::kDict && heap.at(state).kind == Kind::kDict) return OkStatus();
  return FailedPrecondition(
      "BUILD of {} with {}", Describe(heap.at(object)), Describe(heap.at(state)));
}

std::string Describe(const PickleValue& value) {
  switch (value.kind) {
    case Kind::kNone:
      return "None";
    case Kind::kFlag:
      return "a boolean";
    case Kind::kInteger:
      return "a whole number";
    case Kind::kFraction:
      return "a fraction";
    case Kind::kText:
      return "a text";
    case Kind::kTuple:
      return fmt::format("a tuple of {}", value.items.size());
    case Kind::kList:
      return fmt::format("a list of {}", value.items.size());
    case Kind::kDict:
      return fmt::format("a dict of {} entries", value.items.size() / 2);
    case Kind::kGlobal:
      return "a type";
    case Kind::kStorage:
      return "a storage";
    case Kind::kTensor:
      return "a tensor";
  }
  return {};
}

std::string Printable(std::string_view text) {
  constexpr size_t kMaxBytes = 100;
  std::string printable(text.substr(0, kMaxBytes));
  for (char& c : printable) {
    if (c < ' ' || c > '~') c = '?';
  }
  if (text.size() > kMaxBytes) printable += "...";
  return printable;
}

}  // namespace triptych::weights
