#include "worker/shard/step_codec.h"

#include <cstring>
#include <type_traits>

namespace triptych::shard {
namespace {

constexpr uint32_t kVersion = 0x54530002;  // "TS", then the version
constexpr size_t kCopyBytes = 8;
constexpr size_t kSequenceBytes = 29;  // with empty lists

class ByteWriter {
 public:
  template <typename T>
  void Put(T value) {
    static_assert(std::is_integral_v<T>);
    for (size_t i = 0; i < sizeof(T); ++i) {
      bytes_.push_back(static_cast<char>(static_cast<std::make_unsigned_t<T>>(value) >> (8 * i)));
    }
  }
  void PutLength(size_t length) { Put(static_cast<uint32_t>(length)); }
  void PutList(const std::vector<int32_t>& values) {
    PutLength(values.size());
    for (const int32_t value : values) Put(value);
  }
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Gives zeros behind the end and remembers that it was asked.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }

  template <typename T>
  T Get() {
    if (rest_.size() < sizeof(T)) {
      Fail();
      return T{};
    }
    std::make_unsigned_t<T> value = 0;
    for (size_t i = 0; i < sizeof(T); ++i) {
      value |= static_cast<std::make_unsigned_t<T>>(static_cast<uint8_t>(rest_[i])) << (8 * i);
    }
    rest_.remove_prefix(sizeof(T));
    return static_cast<T>(value);
  }
  // A list's length; 0 when what is left cannot hold so many elements of at least `element_bytes`.
  size_t GetLength(size_t element_bytes) {
    const size_t length = Get<uint32_t>();
    if (length <= rest_.size() / element_bytes) return length;
    Fail();
    return 0;
  }
  std::vector<int32_t> GetList() {
    std::vector<int32_t> values(GetLength(sizeof(int32_t)));
    for (int32_t& value : values) value = Get<int32_t>();
    return values;
  }
  void Fail() {
    ok_ = false;
    rest_ = {};
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

void PutSequence(const engine::SequenceStep& sequence, ByteWriter& writer) {
  writer.Put(sequence.id);
  writer.Put(sequence.first_position);
  writer.Put(sequence.prompt_tokens);
  writer.Put(sequence.adapter);
  writer.Put(static_cast<uint8_t>(sequence.logits));
  writer.PutList(sequence.tokens);
  writer.PutList(sequence.blocks);
}

engine::SequenceStep GetSequence(ByteReader& reader) {
  engine::SequenceStep sequence;
  sequence.id = reader.Get<uint64_t>();
  sequence.first_position = reader.Get<int32_t>();
  sequence.prompt_tokens = reader.Get<int32_t>();
  sequence.adapter = reader.Get<int32_t>();
  const uint8_t logits = reader.Get<uint8_t>();
  if (logits > static_cast<uint8_t>(engine::LogitsWanted::kAll)) reader.Fail();
  sequence.logits = static_cast<engine::LogitsWanted>(logits);
  sequence.tokens = reader.GetList();
  sequence.blocks = reader.GetList();
  return sequence;
}

}  // namespace

std::string EncodePlan(const engine::StepPlan& plan) {
  ByteWriter writer;
  writer.Put(kVersion);
  writer.Put(plan.step);
  writer.PutLength(plan.copies.size());
  for (const engine::BlockCopy& copy : plan.copies) {
    writer.Put(copy.from);
    writer.Put(copy.to);
  }
  writer.PutLength(plan.sequences.size());
  for (const engine::SequenceStep& sequence : plan.sequences) PutSequence(sequence, writer);
  return writer.Take();
}

StatusOr<engine::StepPlan> DecodePlan(std::string_view bytes) {
  ByteReader reader(bytes);
  if (const uint32_t version = reader.Get<uint32_t>(); version != kVersion) {
    return InvalidArgument("a step of version {:#x}, wanted {:#x}", version, kVersion);
  }
  engine::StepPlan plan;
  plan.step = reader.Get<uint64_t>();
  const size_t num_copies = reader.GetLength(kCopyBytes);
  for (size_t i = 0; i < num_copies; ++i) {
    const int32_t from = reader.Get<int32_t>();
    plan.copies.push_back({from, reader.Get<int32_t>()});
  }
  const size_t num_sequences = reader.GetLength(kSequenceBytes);
  for (size_t i = 0; i < num_sequences && reader.ok(); ++i) {
    plan.sequences.push_back(GetSequence(reader));
  }
  if (!reader.ok())
    return InvalidArgument("a step of {} bytes is cut short or malformed", bytes.size());
  if (!reader.at_end())
    return InvalidArgument("a step of {} bytes has more than it says", bytes.size());
  return plan;
}

}  // namespace triptych::shard
