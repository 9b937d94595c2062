#include "worker/vision/image_decoder.h"

#include "common/model_card/image_header.h"
#include "common/status_reason.h"
#include "worker/vision/image_codecs.h"

namespace triptych::vision {

Status CorruptImage(std::string_view format, std::string_view what) {
  return WithReason(InvalidArgument("image cannot be decoded as {}: {}", format, what),
                    "IMAGE_CORRUPT");
}

StatusOr<at::Tensor> DecodeImage(std::span<const uint8_t> file, const RequestLimits& limits) {
  TRIPTYCH_ASSIGN_OR_RETURN(const ImageHeader header, ReadImageHeader(file, limits));
  switch (header.format) {
    case ImageFormat::kPng:
      return DecodePng(file, header.size);
    case ImageFormat::kJpeg:
      return DecodeJpeg(file, header.size);
    case ImageFormat::kWebp:
      return DecodeWebp(file, header.size);
    case ImageFormat::kGif:
      return DecodeGif(file, header.size, limits);
    case ImageFormat::kBmp:
      return DecodeBmp(file, header.size);
  }
  return Internal("image format without a decoder");
}

}  // namespace triptych::vision
