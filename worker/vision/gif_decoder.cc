#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include <ATen/ops/empty.h>
#include <gif_lib.h>

#include "worker/vision/image_codecs.h"

namespace triptych::vision {
namespace {

struct GifClose {
  void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
};
using GifFile = std::unique_ptr<GifFileType, GifClose>;

int ReadBytes(GifFileType* gif, GifByteType* out, int wanted) {
  auto& rest = *static_cast<std::span<const uint8_t>*>(gif->UserData);
  const size_t bytes = std::min(rest.size(), static_cast<size_t>(std::max(wanted, 0)));
  std::memcpy(out, rest.data(), bytes);
  rest = rest.subspan(bytes);
  return static_cast<int>(bytes);
}

// Reads one extension, all its blocks. A graphic control block may name a transparent colour.
bool ReadExtension(GifFileType* gif, int* transparent) {
  int label = 0;
  GifByteType* block = nullptr;
  if (DGifGetExtension(gif, &label, &block) == GIF_ERROR) return false;
  while (block != nullptr) {
    if (label == GRAPHICS_EXT_FUNC_CODE && block[0] >= 4) {
      *transparent = (block[1] & 1) != 0 ? block[4] : NO_TRANSPARENT_COLOR;
    }
    if (DGifGetExtensionNext(gif, &block) == GIF_ERROR) return false;
  }
  return true;
}

// Moves to the first frame.
bool FindFirstFrame(GifFileType* gif, int* transparent) {
  GifRecordType record = UNDEFINED_RECORD_TYPE;
  while (DGifGetRecordType(gif, &record) != GIF_ERROR) {
    if (record == IMAGE_DESC_RECORD_TYPE) return DGifGetImageDesc(gif) != GIF_ERROR;
    if (record != EXTENSION_RECORD_TYPE || !ReadExtension(gif, transparent)) return false;
  }
  return false;
}

// Black behind the palette's end; indices are grey where there is no palette at all.
void FillTable(const GifFileType& gif, uint8_t (&table)[256][3]) {
  const ColorMapObject* const map = gif.Image.ColorMap != nullptr ? gif.Image.ColorMap : gif.SColorMap;
  for (int i = 0; i < 256; ++i) {
    std::memset(table[i], map == nullptr ? i : 0, 3);
    if (map == nullptr || i >= map->ColorCount) continue;
    table[i][0] = map->Colors[i].Red;
    table[i][1] = map->Colors[i].Green;
    table[i][2] = map->Colors[i].Blue;
  }
}

// The rows of the frame into the canvas, in the order the file has them.
bool ReadFrame(GifFileType* gif, const uint8_t (&table)[256][3], uint8_t* canvas, int32_t canvas_width) {
  static constexpr int kStarts[] = {0, 4, 2, 1};
  static constexpr int kSteps[] = {8, 8, 4, 2};
  const GifImageDesc& frame = gif->Image;
  std::vector<GifPixelType> line(frame.Width);
  for (int pass = 0; pass < (frame.Interlace ? 4 : 1); ++pass) {
    const int step = frame.Interlace ? kSteps[pass] : 1;
    for (int y = frame.Interlace ? kStarts[pass] : 0; y < frame.Height; y += step) {
      if (DGifGetLine(gif, line.data(), frame.Width) == GIF_ERROR) return false;
      uint8_t* rgb = canvas + (int64_t{frame.Top + y} * canvas_width + frame.Left) * 3;
      for (const GifPixelType index : line) {
        std::memcpy(rgb, table[index], 3);
        rgb += 3;
      }
    }
  }
  return true;
}

}  // namespace

StatusOr<at::Tensor> DecodeGif(std::span<const uint8_t> file, ImageSize size, const RequestLimits& limits) {
  std::span<const uint8_t> rest = file;
  int error = 0;
  const GifFile gif(DGifOpen(&rest, ReadBytes, &error));
  int transparent = NO_TRANSPARENT_COLOR;
  if (gif == nullptr || !FindFirstFrame(gif.get(), &transparent)) return CorruptImage("GIF", "no first frame");
  // As in the reference the canvas grows to hold its first frame.
  const GifImageDesc& frame = gif->Image;
  const int32_t width = std::max(size.width, frame.Left + frame.Width);
  const int32_t height = std::max(size.height, frame.Top + frame.Height);
  if (frame.Width <= 0 || frame.Height <= 0 || width > limits.max_image_side ||
      height > limits.max_image_side || int64_t{width} * height > limits.max_image_pixels) {
    return CorruptImage("GIF", "a first frame outside the limits");
  }
  uint8_t table[256][3];
  FillTable(*gif, table);
  at::Tensor rgb = at::empty({height, width, 3}, at::kByte);
  uint8_t* const canvas = rgb.mutable_data_ptr<uint8_t>();
  const bool covers = frame.Width == width && frame.Height == height;
  const uint8_t* const background = table[transparent == NO_TRANSPARENT_COLOR ? 0 : transparent];
  for (int64_t i = 0; !covers && i < int64_t{width} * height; ++i) std::memcpy(canvas + i * 3, background, 3);
  if (!ReadFrame(gif.get(), table, canvas, width)) return CorruptImage("GIF", "pixels damaged or cut off");
  return rgb;
}

}  // namespace triptych::vision
