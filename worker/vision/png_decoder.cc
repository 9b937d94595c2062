#include <csetjmp>
#include <cstring>

#include <ATen/ops/empty.h>
#include <png.h>

#include "worker/vision/image_codecs.h"

namespace triptych::vision {
namespace {

constexpr int kMaxChunkBytes = 1 << 20;  // of those that are kept; pixels are not among them

// Owns libpng's state for one file. Each step returns false where libpng gave up, and then only the destructor may follow.
class PngReader {
 public:
  explicit PngReader(std::span<const uint8_t> file) : rest_(file) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, nullptr, OnError, OnWarning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  bool ReadInfo(ImageSize expected) {
    if (info_ == nullptr || setjmp(png_jmpbuf(png_))) return false;
    png_set_read_fn(png_, this, OnRead);
    png_set_user_limits(png_, expected.width, expected.height);
    png_set_chunk_malloc_max(png_, kMaxChunkBytes);
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);  // colours and tRNS stay
    png_set_crc_action(png_, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_read_info(png_, info_);
    color_type_ = png_get_color_type(png_, info_);
    bit_depth_ = png_get_bit_depth(png_, info_);
    const bool grey16 = color_type_ == PNG_COLOR_TYPE_GRAY && bit_depth_ == 16;
    png_set_packing(png_);                     // one byte for each sample of less than 8 bits, unscaled
    if (!grey16) png_set_strip_16(png_);       // the high byte, as the reference
    png_set_strip_alpha(png_);
    passes_ = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    row_bytes_ = png_get_rowbytes(png_, info_);
    return png_get_image_width(png_, info_) == static_cast<png_uint_32>(expected.width) &&
           png_get_image_height(png_, info_) == static_cast<png_uint_32>(expected.height) &&
           row_bytes_ == expected.width * sample_bytes();
  }

  // Rows of row_bytes(), height of them.
  bool ReadRows(uint8_t* rows) {
    if (setjmp(png_jmpbuf(png_))) return false;
    const png_uint_32 height = png_get_image_height(png_, info_);
    for (int pass = 0; pass < passes_; ++pass) {
      for (png_uint_32 y = 0; y < height; ++y) png_read_row(png_, rows + y * row_bytes_, nullptr);
    }
    png_read_end(png_, nullptr);
    return true;
  }

  // The palette, black behind its end as in the reference.
  void CopyPalette(uint8_t (&table)[256][3]) const {
    png_colorp colors = nullptr;
    int num_colors = 0;
    std::memset(table, 0, sizeof(table));
    if (png_get_PLTE(png_, info_, &colors, &num_colors) == 0) return;
    for (int i = 0; i < num_colors && i < 256; ++i) {
      table[i][0] = colors[i].red;
      table[i][1] = colors[i].green;
      table[i][2] = colors[i].blue;
    }
  }

  bool is_rgb() const { return (color_type_ & ~PNG_COLOR_MASK_ALPHA) == PNG_COLOR_TYPE_RGB; }
  bool is_palette() const { return color_type_ == PNG_COLOR_TYPE_PALETTE; }
  int bit_depth() const { return bit_depth_; }
  size_t sample_bytes() const {
    return is_rgb() ? 3 : color_type_ == PNG_COLOR_TYPE_GRAY && bit_depth_ == 16 ? 2 : 1;
  }
  size_t row_bytes() const { return row_bytes_; }

 private:
  [[noreturn]] static void OnError(png_structp png, png_const_charp) { png_longjmp(png, 1); }
  static void OnWarning(png_structp, png_const_charp) {}
  static void OnRead(png_structp png, png_bytep out, size_t bytes) {
    auto* self = static_cast<PngReader*>(png_get_io_ptr(png));
    if (bytes > self->rest_.size()) png_error(png, "");
    std::memcpy(out, self->rest_.data(), bytes);
    self->rest_ = self->rest_.subspan(bytes);
  }

  std::span<const uint8_t> rest_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  int color_type_ = 0;
  int bit_depth_ = 0;
  int passes_ = 0;
  size_t row_bytes_ = 0;
};

// What each sample value of a one-byte picture looks like.
void FillTable(const PngReader& reader, uint8_t (&table)[256][3]) {
  if (reader.is_palette()) return reader.CopyPalette(table);
  const int top = reader.bit_depth() < 8 ? (1 << reader.bit_depth()) - 1 : 255;
  for (int value = 0; value < 256; ++value) {
    std::memset(table[value], value >= top ? 255 : value * 255 / top, 3);
  }
}

void WidenSamples(const uint8_t* samples, int64_t pixels, const uint8_t (&table)[256][3], uint8_t* rgb) {
  for (int64_t i = 0; i < pixels; ++i) std::memcpy(rgb + i * 3, table[samples[i]], 3);
}

// The reference clips 16-bit grey to 255 instead of scaling it.
void ClipGrey16(const uint8_t* samples, int64_t pixels, uint8_t* rgb) {
  for (int64_t i = 0; i < pixels; ++i) {
    std::memset(rgb + i * 3, samples[i * 2] != 0 ? 255 : samples[i * 2 + 1], 3);
  }
}

}  // namespace

StatusOr<at::Tensor> DecodePng(std::span<const uint8_t> file, ImageSize size) {
  PngReader reader(file);
  if (!reader.ReadInfo(size)) return CorruptImage("PNG", "damaged chunks before the pixels");
  at::Tensor rgb = at::empty({size.height, size.width, 3}, at::kByte);
  uint8_t* const out = rgb.mutable_data_ptr<uint8_t>();
  at::Tensor samples = rgb;
  if (!reader.is_rgb()) {
    samples = at::empty({size.height, static_cast<int64_t>(reader.row_bytes())}, at::kByte);
  }
  uint8_t* const rows = samples.mutable_data_ptr<uint8_t>();
  if (!reader.ReadRows(rows)) return CorruptImage("PNG", "pixels damaged or cut off");
  if (reader.is_rgb()) return rgb;

  const int64_t pixels = int64_t{size.width} * size.height;
  if (reader.sample_bytes() == 2) {
    ClipGrey16(rows, pixels, out);
  } else {
    uint8_t table[256][3];
    FillTable(reader, table);
    WidenSamples(rows, pixels, table, out);
  }
  return rgb;
}

}  // namespace triptych::vision
