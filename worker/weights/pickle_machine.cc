#include "worker/weights/pickle_machine.h"

#include <string>
#include <utility>
#include <vector>

#include "worker/weights/byte_reader.h"
#include "worker/weights/pickle_globals.h"
#include "worker/weights/pickle_opcodes.h"

namespace triptych::weights {
namespace {

using Kind = PickleValue::Kind;
using enum PickleOpcode::Value;

class Machine {
 public:
  Machine(std::span<const std::byte> pickle, PickleHeap& heap) : reader_(pickle), heap_(heap) {}

  StatusOr<PickleRef> Run() {
    if (reader_.left() > kMaxPickleBytes)
      return FailedPrecondition(
          "the pickle has {} bytes, at most {} are allowed", reader_.left(), kMaxPickleBytes);
    while (!stopped_) {
      const size_t position = reader_.position();
      const Status status = Step();
      if (!status.ok()) return WithContext(fmt::format("byte {} of the pickle", position), status);
    }
    if (reader_.left() > 0)
      return FailedPrecondition("{} bytes follow the pickle's end", reader_.left());
    return stack_.front();
  }

 private:
  Status Step() {
    const bool first = reader_.position() == 0;
    const auto opcode = reader_.Number<uint8_t>();
    if (!reader_.ok()) return FailedPrecondition("the pickle is cut short");
    if (first != (opcode == kProto))
      return FailedPrecondition("PROTO is not where it should be: at the beginning alone");
    TRIPTYCH_RETURN_IF_ERROR(Execute(opcode));
    return reader_.ok() ? OkStatus() : FailedPrecondition("the pickle is cut short");
  }

  Status Execute(uint8_t opcode) {
    switch (opcode) {
      case kProto:
        return CheckProtocol(reader_.Number<uint8_t>());
      case kFrame:
        return CheckFrame(reader_.Number<uint64_t>());
      case kStop:
        return Stop();
      case kMark:
        if (marks_.size() == kMaxPickleMarks)
          return FailedPrecondition("more than {} marks", kMaxPickleMarks);
        marks_.push_back(stack_.size());
        return OkStatus();
      case kBinPut:
        return Memoize(reader_.Number<uint8_t>());
      case kLongBinPut:
        return Memoize(reader_.Number<uint32_t>());
      case kMemoize:
        return Memoize(memo_.size());
      case kBinGet:
        return Recall(reader_.Number<uint8_t>());
      case kLongBinGet:
        return Recall(reader_.Number<uint32_t>());
      case kGlobal:
      case kStackGlobal:
      case kReduce:
      case kBuild:
      case kBinPersId:
        return Object(opcode);
      case kEmptyTuple:
      case kTuple1:
      case kTuple2:
      case kTuple3:
      case kTuple:
        return MakeTuple(opcode);
      case kAppend:
      case kAppends:
      case kSetItem:
      case kSetItems:
        return Fill(opcode);
      default:
        return Scalar(opcode);
    }
  }

  Status Scalar(uint8_t opcode) {
    switch (opcode) {
      case kNone:
        return Push({.kind = Kind::kNone});
      case kNewTrue:
      case kNewFalse:
        return Push({.kind = Kind::kFlag, .number = opcode == kNewTrue});
      case kBinInt:
        return PushInteger(static_cast<int32_t>(reader_.Number<uint32_t>()));
      case kBinInt1:
        return PushInteger(reader_.Number<uint8_t>());
      case kBinInt2:
        return PushInteger(reader_.Number<uint16_t>());
      case kLong1:
        return PushLong(reader_.Number<uint8_t>());
      case kBinFloat:
        reader_.Bytes(8);
        return Push({.kind = Kind::kFraction});
      case kShortBinUnicode:
        return PushText(reader_.Number<uint8_t>());
      case kBinUnicode:
        return PushText(reader_.Number<uint32_t>());
      case kEmptyList:
        return Push({.kind = Kind::kList});
      case kEmptyDict:
        return Push({.kind = Kind::kDict});
      default:
        return FailedPrecondition("{}", WhyRefused(opcode));
    }
  }

  Status CheckProtocol(uint8_t protocol) const {
    if (protocol >= 2 && protocol <= 4) return OkStatus();
    return FailedPrecondition("pickle protocol {} is not read: 2 to 4 are", protocol);
  }
  Status CheckFrame(uint64_t bytes) const {
    if (bytes <= reader_.left()) return OkStatus();
    return FailedPrecondition("FRAME claims {} bytes of {}", bytes, reader_.left());
  }
  Status Stop() {
    if (stack_.size() != 1 || !marks_.empty())
      return FailedPrecondition("STOP with {} values on the stack", stack_.size());
    stopped_ = true;
    return OkStatus();
  }

  // Values on the stack that the newest mark does not keep from being taken.
  size_t available() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }
  Status Need(size_t count) const {
    if (available() >= count) return OkStatus();
    return FailedPrecondition("{} values are wanted, {} are on the stack", count, available());
  }
  PickleRef Pop() {
    const PickleRef top = stack_.back();
    stack_.pop_back();
    return top;
  }
  Status Push(PickleValue value) {
    TRIPTYCH_ASSIGN_OR_RETURN(const PickleRef ref, heap_.Add(std::move(value)));
    return PushRef(ref);
  }
  Status PushRef(PickleRef ref) {
    if (stack_.size() == kMaxPickleStack)
      return FailedPrecondition("more than {} values on the stack", kMaxPickleStack);
    stack_.push_back(ref);
    return OkStatus();
  }
  std::vector<PickleRef> PopLast(size_t count) {
    const auto begin = stack_.end() - static_cast<std::ptrdiff_t>(count);
    std::vector<PickleRef> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    return items;
  }
  StatusOr<std::vector<PickleRef>> PopToMark() {
    if (marks_.empty()) return FailedPrecondition("there is no mark");
    std::vector<PickleRef> items = PopLast(available());
    marks_.pop_back();
    return items;
  }

  Status PushInteger(int64_t value) { return Push({.kind = Kind::kInteger, .number = value}); }
  Status PushLong(uint8_t bytes) {  // two's complement
    if (bytes > 8) return FailedPrecondition("LONG1 of {} bytes, at most 8 are allowed", bytes);
    uint64_t value = 0;
    std::byte last{0};
    for (size_t i = 0; i < bytes; ++i) {
      last = std::byte{reader_.Number<uint8_t>()};
      value |= std::to_integer<uint64_t>(last) << (8 * i);
    }
    if (bytes < 8 && (last & std::byte{0x80}) != std::byte{0}) value |= ~uint64_t{0} << (8 * bytes);
    return PushInteger(static_cast<int64_t>(value));
  }
  Status PushText(uint32_t bytes) {
    if (bytes > kMaxPickleTextBytes)
      return FailedPrecondition(
          "a text of {} bytes, at most {} are allowed", bytes, kMaxPickleTextBytes);
    return Push({.kind = Kind::kText, .text = reader_.Text(bytes)});
  }

  // Indices come in order, as picklers give them, so that the memo is no larger than the pickle.
  Status Memoize(uint64_t index) {
    TRIPTYCH_RETURN_IF_ERROR(Need(1));
    if (index > memo_.size())
      return FailedPrecondition("memo {} is put, {} would be next", index, memo_.size());
    if (index == memo_.size()) memo_.push_back(stack_.back());
    memo_[index] = stack_.back();
    return OkStatus();
  }
  Status Recall(uint32_t index) {
    if (index >= memo_.size()) return FailedPrecondition("memo {} is empty", index);
    return PushRef(memo_[index]);
  }

  Status MakeTuple(uint8_t opcode) {
    PickleValue tuple{.kind = Kind::kTuple};
    if (opcode == kTuple) {
      TRIPTYCH_ASSIGN_OR_RETURN(tuple.items, PopToMark());
    } else if (opcode != kEmptyTuple) {
      const size_t count = opcode - kTuple1 + size_t{1};
      TRIPTYCH_RETURN_IF_ERROR(Need(count));
      tuple.items = PopLast(count);
    }
    return Push(std::move(tuple));
  }

  // Puts what is on top of the stack into the list or dict below it.
  Status Fill(uint8_t opcode) {
    const bool is_dict = opcode == kSetItem || opcode == kSetItems;
    std::vector<PickleRef> items;
    if (opcode == kAppends || opcode == kSetItems) {
      TRIPTYCH_ASSIGN_OR_RETURN(items, PopToMark());
    } else {
      const size_t count = is_dict ? 2 : 1;
      TRIPTYCH_RETURN_IF_ERROR(Need(count));
      items = PopLast(count);
    }
    TRIPTYCH_RETURN_IF_ERROR(Need(1));
    PickleValue& filled = heap_.at(stack_.back());
    if (filled.kind != (is_dict ? Kind::kDict : Kind::kList) || (is_dict && items.size() % 2 != 0))
      return FailedPrecondition("{} values for {}", items.size(), Describe(filled));
    filled.items.insert(filled.items.end(), items.begin(), items.end());
    return OkStatus();
  }

  Status Object(uint8_t opcode) {
    if (opcode == kGlobal) {
      const std::string_view module = reader_.Line();
      const std::string_view name = reader_.Line();
      if (!reader_.ok()) return OkStatus();  // Step() says so
      return PushMade(FindGlobal(heap_, module, name));
    }
    TRIPTYCH_RETURN_IF_ERROR(Need(opcode == kBinPersId ? 1 : 2));
    const PickleRef top = Pop();
    if (opcode == kBinPersId) return PushMade(LoadPersistent(heap_, top));
    if (opcode == kBuild) return SetAttributes(heap_, stack_.back(), top);
    const PickleRef below = Pop();
    if (opcode == kReduce) return PushMade(Call(heap_, below, top));
    if (heap_.at(below).kind != Kind::kText || heap_.at(top).kind != Kind::kText)
      return FailedPrecondition("STACK_GLOBAL of something else than two texts");
    return PushMade(FindGlobal(heap_, heap_.at(below).text, heap_.at(top).text));
  }
  Status PushMade(StatusOr<PickleRef> made) {
    if (!made.ok()) return std::move(made).status();
    return PushRef(*made);
  }

  ByteReader reader_;
  PickleHeap& heap_;
  std::vector<PickleRef> stack_;
  std::vector<size_t> marks_;  // sizes of the stack
  std::vector<PickleRef> memo_;
  bool stopped_ = false;
};

}  // namespace

StatusOr<PickleRef> RunPickle(std::span<const std::byte> pickle, PickleHeap& heap) {
  return Machine(pickle, heap).Run();
}

}  // namespace triptych::weights
