#include "worker/vision/interleaved_rows.h"

#include <cstddef>
#include <cstring>

// Highway compiles what is between BEFORE_NAMESPACE and AFTER_NAMESPACE once for each instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "worker/vision/interleaved_rows.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace triptych::vision::HWY_NAMESPACE {
#if HWY_TARGET == HWY_SCALAR  // has no vectors to turn blocks in

int64_t InterleaveVector(const uint8_t*, int64_t, uint8_t*) { return 0; }
int64_t SeparateVector(const uint8_t*, int64_t, uint8_t*) { return 0; }

#else

namespace hn = hwy::HWY_NAMESPACE;

using Bytes = hn::FixedTag<uint8_t, 16>;
using Words = hn::FixedTag<uint32_t, 4>;
using Longs = hn::FixedTag<uint64_t, 2>;

constexpr int64_t kColors = 3;
constexpr int64_t kRows = 16;  // what vectors are for
constexpr int64_t kSide = 4;   // of a block of pixels that is turned in registers
constexpr int64_t kBlocks = kRows / kSide;
constexpr int64_t kReach = 6;  // pixels that the 16 bytes of a block's line, of which 12 count, may touch

// Four pixels in 12 bytes, one in each 32 bits, and back. What stands in the bytes left over is never looked at.
alignas(16) constexpr uint8_t kSpread[16] = {0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 8, 9, 10, 11, 11};
alignas(16) constexpr uint8_t kJoin[16] = {0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 14, 14, 14, 14};

HWY_INLINE hn::Vec<Words> LoadLine(const uint8_t* from) {
  const Bytes bytes;
  return hn::BitCast(Words(), hn::TableLookupBytes(hn::LoadU(bytes, from), hn::Load(bytes, kSpread)));
}
HWY_INLINE void StoreLine(hn::Vec<Words> line, uint8_t* to) {
  const Bytes bytes;
  hn::StoreU(hn::TableLookupBytes(hn::BitCast(bytes, line), hn::Load(bytes, kJoin)), bytes, to);
}

// Lines of four pixels `stride` bytes apart: lines[i] becomes pixel i of all of them.
HWY_INLINE void LoadTurned(const uint8_t* in, ptrdiff_t stride, hn::Vec<Words> (&lines)[kSide]) {
  const Words words;
  const Longs longs;
  const auto a = LoadLine(in), b = LoadLine(in + stride), c = LoadLine(in + 2 * stride), d = LoadLine(in + 3 * stride);
  const auto ab_low = hn::BitCast(longs, hn::InterleaveLower(words, a, b)), ab_high = hn::BitCast(longs, hn::InterleaveUpper(words, a, b));
  const auto cd_low = hn::BitCast(longs, hn::InterleaveLower(words, c, d)), cd_high = hn::BitCast(longs, hn::InterleaveUpper(words, c, d));
  lines[0] = hn::BitCast(words, hn::InterleaveLower(longs, ab_low, cd_low));
  lines[1] = hn::BitCast(words, hn::InterleaveUpper(longs, ab_low, cd_low));
  lines[2] = hn::BitCast(words, hn::InterleaveLower(longs, ab_high, cd_high));
  lines[3] = hn::BitCast(words, hn::InterleaveUpper(longs, ab_high, cd_high));
}

// Both return how many pixels of each of the 16 rows are done. A line's store spoils the next pixel's bytes in memory, which are written
// later: blocks are stored in the order of their addresses, and the last pixels of a row are left over.
int64_t InterleaveVector(const uint8_t* in, int64_t width, uint8_t* out) {
  const ptrdiff_t stride = width * kColors;
  int64_t x = 0;
  for (; x + kReach <= width; x += kSide) {
    hn::Vec<Words> turned[kBlocks][kSide];
    for (int64_t block = 0; block < kBlocks; ++block) LoadTurned(in + block * kSide * stride + x * kColors, stride, turned[block]);
    for (int64_t pixel = 0; pixel < kSide; ++pixel) {
      uint8_t* const to = out + (x + pixel) * kRows * kColors;
      for (int64_t block = 0; block < kBlocks; ++block) StoreLine(turned[block][pixel], to + block * kSide * kColors);
    }
  }
  return x;
}

int64_t SeparateVector(const uint8_t* in, int64_t width, uint8_t* out) {
  const ptrdiff_t stride = width * kColors;
  int64_t x = 0;
  for (; x + kReach <= width; x += kSide) {
    for (int64_t block = 0; block < kBlocks; ++block) {
      hn::Vec<Words> turned[kSide];
      LoadTurned(in + (x * kRows + block * kSide) * kColors, kRows * kColors, turned);
      uint8_t* const to = out + block * kSide * stride + x * kColors;
      for (int64_t row = 0; row < kSide; ++row) StoreLine(turned[row], to + row * stride);
    }
  }
  return x;
}

#endif
}  // namespace triptych::vision::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace triptych::vision {

HWY_EXPORT(InterleaveVector);
HWY_EXPORT(SeparateVector);

namespace {

constexpr int64_t kColors = 3;
constexpr int64_t kRowsOfVectors = 16;

}  // namespace

void InterleaveRows(const uint8_t* in, int64_t rows, int64_t width, uint8_t* out) {
  int64_t x = rows == kRowsOfVectors ? HWY_DYNAMIC_DISPATCH(InterleaveVector)(in, width, out) : 0;
  for (; x < width; ++x) {
    for (int64_t row = 0; row < rows; ++row) std::memcpy(out + (x * rows + row) * kColors, in + (row * width + x) * kColors, kColors);
  }
}

void SeparateRows(const uint8_t* in, int64_t rows, int64_t width, uint8_t* out) {
  int64_t x = rows == kRowsOfVectors ? HWY_DYNAMIC_DISPATCH(SeparateVector)(in, width, out) : 0;
  for (; x < width; ++x) {
    for (int64_t row = 0; row < rows; ++row) std::memcpy(out + (row * width + x) * kColors, in + (x * rows + row) * kColors, kColors);
  }
}

}  // namespace triptych::vision
#endif  // HWY_ONCE
