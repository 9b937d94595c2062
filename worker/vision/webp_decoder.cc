#include <algorithm>
#include <memory>

#include <ATen/ops/zeros.h>
#include <webp/decode.h>
#include <webp/demux.h>

#include "worker/vision/image_codecs.h"

namespace triptych::vision {
namespace {

struct DemuxerDelete {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
};
using Demuxer = std::unique_ptr<WebPDemuxer, DemuxerDelete>;

// The first frame, which the library keeps inside its demuxer. All a still picture has.
class FirstFrame {
 public:
  explicit FirstFrame(const WebPDemuxer* demuxer) : found_(WebPDemuxGetFrame(demuxer, 1, &frame_)) {}
  ~FirstFrame() { WebPDemuxReleaseIterator(&frame_); }
  FirstFrame(const FirstFrame&) = delete;
  FirstFrame& operator=(const FirstFrame&) = delete;
  bool found() const { return found_ != 0 && frame_.complete != 0; }
  const WebPIterator& operator*() const { return frame_; }

 private:
  WebPIterator frame_{};
  int found_;
};

bool Inside(const WebPIterator& frame, ImageSize size) {
  return frame.x_offset >= 0 && frame.y_offset >= 0 && frame.width > 0 && frame.height > 0 &&
         int64_t{frame.x_offset} + frame.width <= size.width &&
         int64_t{frame.y_offset} + frame.height <= size.height;
}

}  // namespace

StatusOr<at::Tensor> DecodeWebp(std::span<const uint8_t> file, ImageSize size) {
  const WebPData data{file.data(), file.size()};
  const Demuxer demuxer(WebPDemux(&data));  // only whole files
  if (demuxer == nullptr) return CorruptImage("WebP", "damaged or cut off");
  const ImageSize canvas{static_cast<int32_t>(WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH)),
                         static_cast<int32_t>(WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT))};
  if (canvas != size) return CorruptImage("WebP", "headers that disagree about the size");
  const FirstFrame frame(demuxer.get());
  if (!frame.found() || !Inside(*frame, size)) return CorruptImage("WebP", "no whole first frame");

  at::Tensor rgb = at::zeros({size.height, size.width, 3}, at::kByte);  // black outside the frame
  const int stride = size.width * 3;
  uint8_t* const first = rgb.mutable_data_ptr<uint8_t>() +
                         int64_t{(*frame).y_offset} * stride + int64_t{(*frame).x_offset} * 3;
  const size_t bytes = static_cast<size_t>((*frame).height - 1) * stride + size_t{3} * (*frame).width;
  const WebPData& fragment = (*frame).fragment;
  if (WebPDecodeRGBInto(fragment.bytes, fragment.size, first, bytes, stride) == nullptr) {
    return CorruptImage("WebP", "pixels damaged or cut off");
  }
  return rgb;
}

}  // namespace triptych::vision
