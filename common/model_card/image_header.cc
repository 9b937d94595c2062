#include "common/model_card/image_header.h"

#include <algorithm>
#include <optional>

#include "common/status_reason.h"

namespace triptych {
namespace {

using Bytes = std::span<const uint8_t>;

bool StartsWith(Bytes file, std::string_view magic, size_t at = 0) {
  return file.size() >= at + magic.size() &&
         std::equal(magic.begin(), magic.end(), file.begin() + at, [](char a, uint8_t b) { return static_cast<uint8_t>(a) == b; });
}

uint32_t Big(Bytes file, size_t at, int bytes) {
  uint32_t value = 0;
  for (int i = 0; i < bytes; ++i) value = value << 8 | file[at + i];
  return value;
}

uint32_t Little(Bytes file, size_t at, int bytes) {
  uint32_t value = 0;
  for (int i = bytes - 1; i >= 0; --i) value = value << 8 | file[at + i];
  return value;
}

// A size as the header says it, before any limit; wide enough for what any format can say.
struct RawSize {
  int64_t width;
  int64_t height;
};

std::optional<RawSize> PngSize(Bytes file) {
  if (file.size() < 33 || !StartsWith(file, "IHDR", 12) || Big(file, 8, 4) != 13) return std::nullopt;
  return RawSize{Big(file, 16, 4), Big(file, 20, 4)};
}

// Walks the segments up to the first frame header. Each step goes forward by at least two bytes.
std::optional<RawSize> JpegSize(Bytes file) {
  for (size_t at = 2; at + 4 <= file.size();) {
    if (file[at] != 0xff) return std::nullopt;
    const uint8_t marker = file[at + 1];
    if (marker == 0xff) {  // fill byte
      ++at;
      continue;
    }
    if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {  // no length follows
      at += 2;
      continue;
    }
    if (marker == 0xd9 || marker == 0xda) return std::nullopt;  // end, or data before any frame
    const uint32_t length = Big(file, at + 2, 2);
    const bool frame = marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    if (frame) {
      if (length < 8 || at + 9 > file.size()) return std::nullopt;
      return RawSize{Big(file, at + 7, 2), Big(file, at + 5, 2)};
    }
    if (length < 2) return std::nullopt;
    at += 2 + length;
  }
  return std::nullopt;
}

std::optional<RawSize> WebpSize(Bytes file) {
  if (file.size() < 30) return std::nullopt;
  if (StartsWith(file, "VP8X", 12)) return RawSize{Little(file, 24, 3) + 1, Little(file, 27, 3) + 1};
  if (StartsWith(file, "VP8L", 12) && file[20] == 0x2f) {
    const uint32_t bits = Little(file, 21, 4);
    return RawSize{(bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1};
  }
  if (StartsWith(file, "VP8 ", 12) && Big(file, 23, 3) == 0x9d012a) {
    return RawSize{Little(file, 26, 2) & 0x3fff, Little(file, 28, 2) & 0x3fff};
  }
  return std::nullopt;
}

std::optional<RawSize> GifSize(Bytes file) {
  if (file.size() < 13) return std::nullopt;
  return RawSize{Little(file, 6, 2), Little(file, 8, 2)};
}

std::optional<RawSize> BmpSize(Bytes file) {
  if (file.size() < 26) return std::nullopt;
  if (Little(file, 14, 4) == 12) return RawSize{Little(file, 18, 2), Little(file, 20, 2)};  // OS/2
  const auto height = static_cast<int32_t>(Little(file, 22, 4));  // negative: rows from the top
  return RawSize{static_cast<int32_t>(Little(file, 18, 4)), height < 0 ? -int64_t{height} : height};
}

std::optional<ImageFormat> FormatOf(Bytes file) {
  if (StartsWith(file, "\x89PNG\r\n\x1a\n")) return ImageFormat::kPng;
  if (StartsWith(file, "\xff\xd8\xff")) return ImageFormat::kJpeg;
  if (StartsWith(file, "RIFF") && StartsWith(file, "WEBP", 8)) return ImageFormat::kWebp;
  if (StartsWith(file, "GIF87a") || StartsWith(file, "GIF89a")) return ImageFormat::kGif;
  if (StartsWith(file, "BM")) return ImageFormat::kBmp;
  return std::nullopt;
}

std::optional<RawSize> SizeOf(ImageFormat format, Bytes file) {
  switch (format) {
    case ImageFormat::kPng: return PngSize(file);
    case ImageFormat::kJpeg: return JpegSize(file);
    case ImageFormat::kWebp: return WebpSize(file);
    case ImageFormat::kGif: return GifSize(file);
    case ImageFormat::kBmp: return BmpSize(file);
  }
  return std::nullopt;
}

Status CheckSize(const RawSize& size, const RequestLimits& limits) {
  const auto too_large = [](Status status) { return WithReason(std::move(status), "IMAGE_TOO_LARGE", "image"); };
  const auto [width, height] = size;
  if (width < 1 || height < 1) return WithReason(InvalidArgument("a picture of {} x {} pixels is empty", width, height), "IMAGE_CORRUPT", "image");
  if (std::max(width, height) > limits.max_image_side) {
    return too_large(InvalidArgument("a picture of {} x {} pixels has a side of more than {}", width, height, limits.max_image_side));
  }
  if (width * height > limits.max_image_pixels) {
    return too_large(InvalidArgument("a picture of {} x {} pixels has more than {}", width, height, limits.max_image_pixels));
  }
  if (std::max(width, height) > std::min(width, height) * limits.max_image_aspect) {
    return too_large(InvalidArgument("a picture of {} x {} pixels is more than {} times as long as wide", width, height, limits.max_image_aspect));
  }
  return OkStatus();
}

}  // namespace

std::string_view Name(ImageFormat format) {
  switch (format) {
    case ImageFormat::kPng: return "PNG";
    case ImageFormat::kJpeg: return "JPEG";
    case ImageFormat::kWebp: return "WebP";
    case ImageFormat::kGif: return "GIF";
    case ImageFormat::kBmp: return "BMP";
  }
  return "";
}

StatusOr<ImageHeader> ReadImageHeader(std::span<const uint8_t> file, const RequestLimits& limits) {
  if (file.empty()) return WithReason(InvalidArgument("a picture has no bytes"), "IMAGE_EMPTY", "image");
  if (std::cmp_greater(file.size(), limits.max_image_bytes)) {
    return WithReason(InvalidArgument("a picture has {} bytes, at most {}", file.size(), limits.max_image_bytes), "IMAGE_TOO_LARGE", "image");
  }
  const auto format = FormatOf(file);
  if (!format) {
    return WithReason(InvalidArgument("a picture is in no format that is read: PNG, JPEG, WebP, GIF, BMP"), "IMAGE_FORMAT", "image");
  }
  const auto size = SizeOf(*format, file);
  if (!size) return WithReason(InvalidArgument("a {} picture's header is damaged or cut short", Name(*format)), "IMAGE_CORRUPT", "image");
  TRIPTYCH_RETURN_IF_ERROR(CheckSize(*size, limits));
  return ImageHeader{*format, {static_cast<int32_t>(size->width), static_cast<int32_t>(size->height)}};
}

}  // namespace triptych
