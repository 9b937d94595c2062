#include "worker/vision/bmp_run_lengths.h"

#include <algorithm>

namespace triptych::vision {
namespace {

class RunLengthReader {
 public:
  RunLengthReader(std::span<const uint8_t> file, size_t at, bool rle4, size_t width, std::span<uint8_t> indices)
      : file_(file), at_(at), rle4_(rle4), width_(width), indices_(indices) {}

  bool ReadAll() {
    while (written_ < indices_.size()) {
      if (at_ + 2 > file_.size()) return false;
      const size_t count = file_[at_];
      const uint8_t value = file_[at_ + 1];
      at_ += 2;
      if (count > 0) {
        Run(count, value);
      } else if (value == 0) {
        Skip((width_ - written_ % width_) % width_);  // end of the row
        x_ = 0;
      } else if (value == 1) {
        return false;  // end of the picture, before its last pixel
      } else if (!(value == 2 ? Move() : Literal(value))) {
        return false;
      }
    }
    return true;
  }

 private:
  void Skip(size_t count) { written_ += std::min(count, indices_.size() - written_); }
  void Put(uint8_t index) {
    if (written_ < indices_.size()) indices_[written_++] = index;
  }

  // A run ends with its row.
  void Run(size_t count, uint8_t value) {
    count = std::min(count, width_ - std::min(x_, width_));
    for (size_t i = 0; i < count; ++i) Put(rle4_ ? (i % 2 == 0 ? value >> 4 : value & 15) : value);
    x_ += count;
  }

  bool Move() {
    if (at_ + 2 > file_.size()) return false;
    Skip(file_[at_] + file_[at_ + 1] * width_);
    at_ += 2;
    x_ = written_ % width_;
    return true;
  }

  // Indices as they are, padded so that the next code stands at an even place of the file.
  bool Literal(size_t count) {
    const size_t wanted = std::min(count, indices_.size() - written_);
    const size_t bytes = rle4_ ? (wanted + 1) / 2 : wanted;
    if (at_ + bytes > file_.size()) return false;
    for (size_t i = 0; i < wanted; ++i) {
      const uint8_t byte = file_[at_ + (rle4_ ? i / 2 : i)];
      Put(rle4_ ? (i % 2 == 0 ? byte >> 4 : byte & 15) : byte);
    }
    at_ += bytes;
    at_ += at_ % 2;
    x_ += count;
    return true;
  }

  std::span<const uint8_t> file_;
  size_t at_;
  const bool rle4_;
  const size_t width_;
  std::span<uint8_t> indices_;
  size_t written_ = 0;
  size_t x_ = 0;  // where a run stands in its row
};

}  // namespace

bool ExpandRunLengths(std::span<const uint8_t> file, size_t at, bool rle4, int32_t width, std::span<uint8_t> indices) {
  return RunLengthReader(file, at, rle4, static_cast<size_t>(width), indices).ReadAll();
}

}  // namespace triptych::vision
