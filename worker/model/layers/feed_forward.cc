#include "worker/model/layers/feed_forward.h"

#include <utility>

#include "worker/kernels/activation.h"

namespace triptych::model::layers {

FeedForward::FeedForward(std::unique_ptr<Projection> gate,
                         std::unique_ptr<Projection> up,
                         std::unique_ptr<Projection> down)
    : gate_(std::move(gate)), up_(std::move(up)), down_(std::move(down)) {}

at::Tensor FeedForward::Forward(const at::Tensor& x, const std::vector<RowRun>& image_runs) const {
  const at::Tensor gate = gate_->Forward(x, image_runs);
  const at::Tensor up = up_->Forward(x, image_runs);
  return down_->Forward(kernels::SiluMul(gate, up), image_runs);
}

}  // namespace triptych::model::layers
