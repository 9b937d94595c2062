#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace triptych::weights {

// Takes little-endian numbers and texts off the front of bytes that nobody vouches for. What does
// not fit is zero or empty, and ok() false from then on: one check after several takes is enough.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <typename T>
  T Number() {  // T unsigned
    T value = 0;
    const std::span<const std::byte> raw = Bytes(sizeof(T));
    for (size_t i = 0; i < raw.size(); ++i) {
      value = static_cast<T>(value | static_cast<T>(std::to_integer<T>(raw[i]) << (8 * i)));
    }
    return value;
  }
  std::span<const std::byte> Bytes(uint64_t count) {
    if (count > left()) {
      position_ = bytes_.size();
      ok_ = false;
      return {};
    }
    const std::span<const std::byte> taken = bytes_.subspan(position_, count);
    position_ += count;
    return taken;
  }
  std::string_view Text(uint64_t count) {
    const std::span<const std::byte> raw = Bytes(count);
    return {reinterpret_cast<const char*>(raw.data()), raw.size()};
  }
  std::string_view Line() {  // up to the next newline, which is taken too
    const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + position_, left());
    const size_t length = rest.find('\n');
    if (length == std::string_view::npos) return Text(left() + uint64_t{1});
    return Text(length + 1).substr(0, length);
  }

  bool ok() const { return ok_; }
  size_t position() const { return position_; }
  size_t left() const { return bytes_.size() - position_; }

 private:
  std::span<const std::byte> bytes_;
  size_t position_ = 0;
  bool ok_ = true;
};

}  // namespace triptych::weights
