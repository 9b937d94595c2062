#include "worker/weights/safetensors_header.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "common/string_map.h"
#include "nlohmann/json.hpp"

namespace triptych::weights {
namespace {

constexpr std::array<std::pair<std::string_view, int64_t>, 15> kDtypes = {{{"BOOL", 1},
                                                                           {"U8", 1},
                                                                           {"I8", 1},
                                                                           {"F8_E4M3", 1},
                                                                           {"F8_E5M2", 1},
                                                                           {"U16", 2},
                                                                           {"I16", 2},
                                                                           {"F16", 2},
                                                                           {"BF16", 2},
                                                                           {"U32", 4},
                                                                           {"I32", 4},
                                                                           {"F32", 4},
                                                                           {"U64", 8},
                                                                           {"I64", 8},
                                                                           {"F64", 8}}};

// Reads the header as a stream of events, so that neither depth nor size of hostile JSON costs
// memory, and repeated keys are seen.
class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Status status() const { return status_; }
  std::vector<TensorEntry> TakeEntries() { return std::move(entries_); }

  bool start_object(size_t) override {
    if (in_array_ || depth_ == 2) return Unexpected("an object");
    ++depth_;
    return true;
  }
  bool end_object() override { return --depth_ != 1 || in_metadata_ || EndEntry(); }

  bool key(std::string& text) override {
    if (depth_ == 1) return BeginEntry(text);
    field_ = text;
    if (in_metadata_) return true;
    const int bit = text == "dtype" ? 1 : text == "shape" ? 2 : text == "data_offsets" ? 4 : 0;
    if (bit == 0) return Fail("unknown key '{}'", text);
    if (seen_ & bit) return Fail("key '{}' is there twice", text);
    seen_ |= bit;
    return true;
  }

  bool start_array(size_t) override {
    if (depth_ != 2 || in_metadata_ || in_array_ || field_ == "dtype") return Unexpected("a list");
    in_array_ = true;
    return true;
  }
  bool end_array() override {
    in_array_ = false;
    return true;
  }

  bool string(std::string& text) override {
    if (depth_ == 2 && in_metadata_) return true;
    if (depth_ != 2 || in_array_ || field_ != "dtype") return Unexpected("a string");
    entries_.back().dtype = std::move(text);
    return true;
  }

  bool number_unsigned(uint64_t value) override {
    if (!in_array_) return Unexpected("a number");
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return Fail("{} holds {}, which is too large", field_, value);
    }
    std::vector<int64_t>& list = field_ == "shape" ? entries_.back().shape : offsets_;
    if (list.size() == kMaxDimensions)
      return Fail("{} has more than {} numbers", field_, kMaxDimensions);
    list.push_back(static_cast<int64_t>(value));
    return true;
  }
  bool number_integer(int64_t value) override {
    return Fail("{} holds the negative number {}", field_, value);
  }

  bool null() override { return Unexpected("null"); }
  bool boolean(bool) override { return Unexpected("a boolean"); }
  bool number_float(double, const std::string&) override { return Unexpected("a fraction"); }
  bool binary(nlohmann::json::binary_t&) override { return Unexpected("binary data"); }
  bool parse_error(size_t position,
                   const std::string&,
                   const nlohmann::detail::exception&) override {
    status_ = FailedPrecondition("the header is not valid JSON: error at its byte {}", position);
    return false;
  }

 private:
  template <typename... Args>
  bool Fail(fmt::format_string<Args...> format, Args&&... args) {
    const std::string what = fmt::format(format, std::forward<Args>(args)...);
    status_ = entries_.empty() ? FailedPrecondition("{}", what)
                               : FailedPrecondition("tensor '{}': {}", entries_.back().name, what);
    return false;
  }
  bool Unexpected(std::string_view what) { return Fail("unexpected {} in the header", what); }

  bool BeginEntry(const std::string& name) {
    in_metadata_ = name == "__metadata__";
    if (name.size() > kMaxTensorNameBytes)
      return Fail("the next tensor's name has {} bytes", name.size());
    if (!names_.insert(name).second) return Fail("'{}' is in the header twice", name);
    if (in_metadata_) return true;
    if (entries_.size() == kMaxTensors) return Fail("more than {} tensors", kMaxTensors);
    entries_.push_back({.name = name});
    offsets_.clear();
    seen_ = 0;
    return true;
  }

  bool EndEntry() {
    if (seen_ != 7) return Fail("dtype, shape and data_offsets must all be given");
    if (offsets_.size() != 2)
      return Fail("data_offsets has {} numbers instead of 2", offsets_.size());
    entries_.back().begin = offsets_[0];
    entries_.back().end = offsets_[1];
    return true;
  }

  Status status_;
  std::vector<TensorEntry> entries_;
  StringSet names_;
  int depth_ = 0;
  bool in_array_ = false;
  bool in_metadata_ = false;
  std::string field_;
  std::vector<int64_t> offsets_;
  int seen_ = 0;  // of the current entry's keys
};

Status CheckSize(const TensorEntry& entry) {
  const int64_t element = DtypeBytes(entry.dtype);
  if (element == 0)
    return FailedPrecondition("tensor '{}': unknown dtype '{}'", entry.name, entry.dtype);
  int64_t bytes = element;
  for (const int64_t extent : entry.shape) {
    if (extent == 0) return FailedPrecondition("tensor '{}': has no elements", entry.name);
    if (__builtin_mul_overflow(bytes, extent, &bytes)) {
      return FailedPrecondition("tensor '{}': shape is too large", entry.name);
    }
  }
  if (entry.begin > entry.end || entry.end - entry.begin != bytes) {
    return FailedPrecondition(
        "tensor '{}': data_offsets [{}, {}] do not hold the {} bytes of its shape and dtype",
        entry.name,
        entry.begin,
        entry.end,
        bytes);
  }
  return OkStatus();
}

Status CheckCoverage(const std::vector<TensorEntry>& entries, int64_t data_bytes) {
  int64_t next = 0;
  for (const TensorEntry& entry : entries) {
    if (entry.begin != next) {
      return FailedPrecondition("tensor '{}': begins at byte {} instead of {} ({})",
                                entry.name,
                                entry.begin,
                                next,
                                entry.begin > next ? "a gap" : "an overlap");
    }
    next = entry.end;
    if (next > data_bytes) {
      return FailedPrecondition("tensor '{}': ends at byte {} of {}: the file is cut short",
                                entry.name,
                                next,
                                data_bytes);
    }
  }
  if (next != data_bytes)
    return FailedPrecondition("{} bytes follow the last tensor", data_bytes - next);
  return OkStatus();
}

}  // namespace

int64_t DtypeBytes(std::string_view dtype) {
  for (const auto& [name, bytes] : kDtypes) {
    if (name == dtype) return bytes;
  }
  return 0;
}

StatusOr<std::vector<TensorEntry>> ParseSafetensorsHeader(std::string_view json,
                                                          int64_t data_bytes) {
  // The JSON library skips a byte order mark and takes NUL for the end: both are refused here.
  if (json.empty() || json.front() != '{')
    return FailedPrecondition("the header does not begin with '{{'");
  if (json.find('\0') != std::string_view::npos)
    return FailedPrecondition("the header holds a NUL byte");
  if (json.find_last_not_of(' ') != json.rfind('}')) {
    return FailedPrecondition("the header is padded with something other than spaces");
  }
  HeaderReader reader;
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &reader)) return reader.status();
  std::vector<TensorEntry> entries = reader.TakeEntries();
  for (const TensorEntry& entry : entries) TRIPTYCH_RETURN_IF_ERROR(CheckSize(entry));
  std::sort(entries.begin(), entries.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return a.begin < b.begin;
  });
  TRIPTYCH_RETURN_IF_ERROR(CheckCoverage(entries, data_bytes));
  return entries;
}

}  // namespace triptych::weights
