#include <csetjmp>
#include <cstddef>
#include <cstdio>  // jpeglib.h needs FILE and does not say so
#include <vector>

#include <ATen/ops/empty.h>
#include <jpeglib.h>

#include "worker/vision/image_codecs.h"

namespace triptych::vision {
namespace {

// Coefficients of a progressive file of the largest picture, and some.
constexpr long kMaxLibraryBytes = 512l << 20;

// Owns libjpeg's state for one file. Each step returns false where libjpeg gave up, and then only the destructor may follow.
class JpegReader {
 public:
  JpegReader() {
    jpeg_.err = jpeg_std_error(&error_);
    error_.error_exit = OnError;
    error_.emit_message = OnMessage;
    jpeg_.client_data = this;
  }
  ~JpegReader() { jpeg_destroy_decompress(&jpeg_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  bool Start(std::span<const uint8_t> file) {
    if (setjmp(escape_)) return false;
    jpeg_create_decompress(&jpeg_);
    jpeg_.client_data = this;
    jpeg_.mem->max_memory_to_use = kMaxLibraryBytes;
    SetSource(file);
    progress_.progress_monitor = OnProgress;
    jpeg_.progress = &progress_;
    jpeg_read_header(&jpeg_, /*require_image=*/TRUE);
    if (jpeg_.num_components == 2 || jpeg_.num_components > 4) return false;
    jpeg_.out_color_space = jpeg_.num_components == 1   ? JCS_GRAYSCALE
                            : jpeg_.num_components == 3 ? JCS_RGB
                                                        : JCS_CMYK;
    jpeg_.dct_method = JDCT_ISLOW;
    jpeg_.do_fancy_upsampling = TRUE;
    return true;
  }

  bool StartPixels() {
    if (setjmp(escape_)) return false;
    return jpeg_start_decompress(&jpeg_) == TRUE;
  }
  bool ReadRow(uint8_t* row) {
    if (setjmp(escape_)) return false;
    return jpeg_read_scanlines(&jpeg_, &row, 1) == 1;
  }
  bool Finish() {
    if (setjmp(escape_)) return false;
    return jpeg_finish_decompress(&jpeg_) == TRUE;
  }

  ImageSize size() const {
    return {static_cast<int32_t>(jpeg_.image_width), static_cast<int32_t>(jpeg_.image_height)};
  }
  int components() const { return jpeg_.num_components; }

 private:
  static JpegReader* Self(j_common_ptr jpeg) { return static_cast<JpegReader*>(jpeg->client_data); }
  [[noreturn]] static void OnError(j_common_ptr jpeg) { std::longjmp(Self(jpeg)->escape_, 1); }
  static void OnMessage(j_common_ptr, int) {}  // damaged entropy data is grey, as in the reference
  // A file of many empty scans costs a whole pass over the picture for each.
  static void OnProgress(j_common_ptr jpeg) {
    if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number > kMaxJpegScans) OnError(jpeg);
  }
  // The whole file is in the buffer: whoever wants more has a file that was cut off.
  static boolean OnEnd(j_decompress_ptr jpeg) { OnError(reinterpret_cast<j_common_ptr>(jpeg)); }
  static void OnSkip(j_decompress_ptr jpeg, long bytes) {
    if (bytes <= 0) return;
    if (static_cast<size_t>(bytes) > jpeg->src->bytes_in_buffer) OnEnd(jpeg);
    jpeg->src->next_input_byte += bytes;
    jpeg->src->bytes_in_buffer -= bytes;
  }
  static void OnSource(j_decompress_ptr) {}

  void SetSource(std::span<const uint8_t> file) {
    source_.next_input_byte = file.data();
    source_.bytes_in_buffer = file.size();
    source_.init_source = OnSource;
    source_.fill_input_buffer = OnEnd;
    source_.skip_input_data = OnSkip;
    source_.resync_to_restart = jpeg_resync_to_restart;
    source_.term_source = OnSource;
    jpeg_.src = &source_;
  }

  jpeg_decompress_struct jpeg_{};
  jpeg_error_mgr error_{};
  jpeg_source_mgr source_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf escape_{};
};

void WidenGrey(const uint8_t* line, int32_t width, uint8_t* rgb) {
  for (int32_t x = 0; x < width; ++x) rgb[x * 3] = rgb[x * 3 + 1] = rgb[x * 3 + 2] = line[x];
}

// a * b / 255, rounded.
int Scale255(int a, int b) {
  const int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

// Adobe writes CMYK inverted, and the reference takes all CMYK for Adobe's: each sample counts 255 - ink.
void CmykToRgb(const uint8_t* line, int32_t width, uint8_t* rgb) {
  for (int32_t x = 0; x < width; ++x) {
    const int light = line[x * 4 + 3];
    for (int c = 0; c < 3; ++c) {
      rgb[x * 3 + c] = static_cast<uint8_t>(light - Scale255(255 - line[x * 4 + c], light));
    }
  }
}

bool ReadPixels(JpegReader& reader, ImageSize size, uint8_t* out) {
  std::vector<uint8_t> line(reader.components() == 3 ? 0 : size_t{4} * size.width);
  for (int32_t y = 0; y < size.height; ++y) {
    uint8_t* const rgb = out + int64_t{y} * size.width * 3;
    if (!reader.ReadRow(line.empty() ? rgb : line.data())) return false;
    if (reader.components() == 1) WidenGrey(line.data(), size.width, rgb);
    if (reader.components() == 4) CmykToRgb(line.data(), size.width, rgb);
  }
  return true;
}

}  // namespace

StatusOr<at::Tensor> DecodeJpeg(std::span<const uint8_t> file, ImageSize size) {
  JpegReader reader;
  if (!reader.Start(file)) return CorruptImage("JPEG", "damaged or unsupported header");
  if (reader.size() != size) return CorruptImage("JPEG", "frame headers that disagree");
  if (!reader.StartPixels()) return CorruptImage("JPEG", "scans damaged, cut off, or too many");
  at::Tensor rgb = at::empty({size.height, size.width, 3}, at::kByte);
  if (!ReadPixels(reader, size, rgb.mutable_data_ptr<uint8_t>()) || !reader.Finish()) {
    return CorruptImage("JPEG", "scans damaged, cut off, or too many");
  }
  return rgb;
}

}  // namespace triptych::vision
