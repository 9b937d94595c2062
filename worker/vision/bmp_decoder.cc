#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include <ATen/ops/empty.h>

#include "worker/vision/bmp_run_lengths.h"
#include "worker/vision/image_codecs.h"

namespace triptych::vision {
namespace {

constexpr size_t kFileHeaderBytes = 14;
constexpr uint32_t kCoreHeaderBytes = 12;  // OS/2: 16-bit sizes, palette entries of three bytes
constexpr uint32_t kMaxColors = 65536;
enum Compression : uint32_t { kRaw = 0, kRle8 = 1, kRle4 = 2, kBitfields = 3 };

struct BmpLayout {
  bool top_down = false;
  uint32_t bits = 0;
  uint32_t compression = kRaw;
  uint32_t colors = 0;
  size_t color_bytes = 4;          // one palette entry: blue, green, red, and perhaps nothing
  size_t palette_at = 0;
  size_t pixels_at = 0;
  uint32_t masks[3] = {0, 0, 0};   // red, green, blue
};

uint32_t Read16(std::span<const uint8_t> file, size_t at) { return file[at] | file[at + 1] << 8; }
uint32_t Read32(std::span<const uint8_t> file, size_t at) {
  return Read16(file, at) | Read16(file, at + 2) << 16;
}

bool KnownDepth(uint32_t bits) {
  return bits == 1 || bits == 4 || bits == 8 || bits == 16 || bits == 24 || bits == 32;
}

// Where palette and pixels start. Some writers say that pixels start where the palette does.
void PlacePixels(std::span<const uint8_t> file, size_t header_end, BmpLayout& layout) {
  const size_t palette_bytes = layout.bits <= 8 ? layout.color_bytes * layout.colors : 0;
  layout.palette_at = header_end;
  layout.pixels_at = Read32(file, 10);
  if (layout.pixels_at == 0) layout.pixels_at = header_end;
  if (layout.pixels_at == header_end) layout.pixels_at += palette_bytes;
}

std::optional<BmpLayout> ReadLayout(std::span<const uint8_t> file) {
  BmpLayout layout;
  if (file.size() < kFileHeaderBytes + kCoreHeaderBytes) return std::nullopt;
  const uint32_t header_bytes = Read32(file, kFileHeaderBytes);
  if (header_bytes > 124 || file.size() < kFileHeaderBytes + header_bytes) return std::nullopt;
  size_t header_end = kFileHeaderBytes + header_bytes;
  if (header_bytes == kCoreHeaderBytes) {
    layout.bits = Read16(file, 24);
    layout.color_bytes = 3;
  } else if (header_bytes >= 40) {
    layout.top_down = file[25] == 0xFF;  // a negative height
    layout.bits = Read16(file, 28);
    layout.compression = Read32(file, 30);
    layout.colors = Read32(file, 46);
    if (layout.compression == kBitfields) {
      if (file.size() < kFileHeaderBytes + 40 + 12) return std::nullopt;
      for (int i = 0; i < 3; ++i) layout.masks[i] = Read32(file, kFileHeaderBytes + 40 + i * 4);
      header_end = std::max(header_end, kFileHeaderBytes + 40 + 12);
    }
  } else {
    return std::nullopt;
  }
  if (!KnownDepth(layout.bits) || layout.compression > kBitfields) return std::nullopt;
  if (layout.colors == 0 && layout.bits <= 8) layout.colors = 1u << layout.bits;
  if (layout.bits <= 8 && layout.colors > kMaxColors) return std::nullopt;
  PlacePixels(file, header_end, layout);
  return layout;
}

// Black where the file has no colour for an index.
void FillTable(std::span<const uint8_t> file, const BmpLayout& layout, uint8_t (&table)[256][3]) {
  std::memset(table, 0, sizeof(table));
  for (size_t i = 0; i < std::min<size_t>(layout.colors, 256); ++i) {
    const size_t at = layout.palette_at + i * layout.color_bytes;
    if (at + 3 > file.size()) return;
    for (int c = 0; c < 3; ++c) table[i][c] = file[at + 2 - c];
  }
}

void WidenIndices(const uint8_t* row, int32_t width, uint32_t bits, const uint8_t (&table)[256][3], uint8_t* rgb) {
  const uint32_t per_byte = 8 / bits;
  const uint32_t mask = (1u << bits) - 1;
  for (int32_t x = 0; x < width; ++x) {
    const uint32_t shift = (per_byte - 1 - x % per_byte) * bits;
    std::memcpy(rgb + int64_t{x} * 3, table[row[x / per_byte] >> shift & mask], 3);
  }
}

void Widen16(const uint8_t* row, int32_t width, bool six_bit_green, uint8_t* rgb) {
  const int red_shift = six_bit_green ? 11 : 10;
  const int green_top = six_bit_green ? 63 : 31;
  for (int32_t x = 0; x < width; ++x, rgb += 3) {
    const int pixel = row[x * 2] | row[x * 2 + 1] << 8;
    rgb[0] = static_cast<uint8_t>((pixel >> red_shift & 31) * 255 / 31);
    rgb[1] = static_cast<uint8_t>((pixel >> 5 & green_top) * 255 / green_top);
    rgb[2] = static_cast<uint8_t>((pixel & 31) * 255 / 31);
  }
}

void PickBytes(const uint8_t* row, int32_t width, int pixel_bytes, const int (&offsets)[3], uint8_t* rgb) {
  for (int32_t x = 0; x < width; ++x, row += pixel_bytes, rgb += 3) {
    for (int c = 0; c < 3; ++c) rgb[c] = row[offsets[c]];
  }
}

// Which byte of a pixel each colour is in: of 24 and 32 bits, where masks are whole bytes.
bool ByteOffsets(const BmpLayout& layout, int (&offsets)[3]) {
  const bool no_masks = (layout.masks[0] | layout.masks[1] | layout.masks[2]) == 0;
  for (int c = 0; c < 3; ++c) {
    offsets[c] = 2 - c;
    if (layout.compression != kBitfields || no_masks) continue;
    int byte = 0;
    while (byte < 4 && layout.masks[c] != 0xFFu << byte * 8) ++byte;
    if (byte * 8u >= layout.bits) return false;
    offsets[c] = byte;
  }
  return true;
}

StatusOr<at::Tensor> DecodeRunLengths(std::span<const uint8_t> file, const BmpLayout& layout, ImageSize size) {
  if (layout.bits != (layout.compression == kRle8 ? 8u : 4u)) return CorruptImage("BMP", "compression and depth that disagree");
  std::vector<uint8_t> indices(static_cast<size_t>(size.width) * size.height);
  if (!ExpandRunLengths(file, layout.pixels_at, layout.compression == kRle4, size.width, indices)) {
    return CorruptImage("BMP", "run lengths that end too early");
  }
  uint8_t table[256][3];
  FillTable(file, layout, table);
  at::Tensor rgb = at::empty({size.height, size.width, 3}, at::kByte);
  for (int32_t y = 0; y < size.height; ++y) {
    const int32_t stored = layout.top_down ? y : size.height - 1 - y;
    WidenIndices(indices.data() + int64_t{stored} * size.width, size.width, 8, table,
                 rgb.mutable_data_ptr<uint8_t>() + int64_t{y} * size.width * 3);
  }
  return rgb;
}

StatusOr<at::Tensor> DecodeRows(std::span<const uint8_t> file, const BmpLayout& layout, ImageSize size) {
  const bool masked16 = layout.bits == 16 && layout.compression == kBitfields;
  const bool six_bit_green = masked16 && layout.masks[1] == 0x7E0;
  if (masked16 && layout.masks[1] != 0x7E0 && layout.masks[1] != 0x3E0) return CorruptImage("BMP", "unknown colour masks");
  int offsets[3];
  if (layout.bits >= 24 && !ByteOffsets(layout, offsets)) return CorruptImage("BMP", "unknown colour masks");
  uint8_t table[256][3];
  if (layout.bits <= 8) FillTable(file, layout, table);

  const int64_t stride = (int64_t{size.width} * layout.bits + 31) / 32 * 4;
  if (layout.pixels_at > file.size() ||
      stride * size.height > static_cast<int64_t>(file.size() - layout.pixels_at)) {
    return CorruptImage("BMP", "pixels cut off");
  }
  at::Tensor rgb = at::empty({size.height, size.width, 3}, at::kByte);
  for (int32_t y = 0; y < size.height; ++y) {
    const int32_t stored = layout.top_down ? y : size.height - 1 - y;
    const uint8_t* const row = file.data() + layout.pixels_at + stored * stride;
    uint8_t* const out = rgb.mutable_data_ptr<uint8_t>() + int64_t{y} * size.width * 3;
    if (layout.bits <= 8) {
      WidenIndices(row, size.width, layout.bits, table, out);
    } else if (layout.bits == 16) {
      Widen16(row, size.width, six_bit_green, out);
    } else {
      PickBytes(row, size.width, static_cast<int>(layout.bits / 8), offsets, out);
    }
  }
  return rgb;
}

}  // namespace

StatusOr<at::Tensor> DecodeBmp(std::span<const uint8_t> file, ImageSize size) {
  const std::optional<BmpLayout> layout = ReadLayout(file);
  if (!layout) return CorruptImage("BMP", "damaged or unsupported header");
  if (layout->compression == kBitfields && layout->bits <= 8) return CorruptImage("BMP", "unknown colour masks");
  const bool run_lengths = layout->compression == kRle8 || layout->compression == kRle4;
  return run_lengths ? DecodeRunLengths(file, *layout, size) : DecodeRows(file, *layout, size);
}

}  // namespace triptych::vision
