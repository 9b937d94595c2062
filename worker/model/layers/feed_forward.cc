#include "worker/model/layers/feed_forward.h"

#include <utility>

#include "worker/kernels/activation.h"

namespace triptych::model::layers {

FeedForward::FeedForward(std::unique_ptr<Projection> gate,
                         std::unique_ptr<Projection> up,
                         std::unique_ptr<Projection> down)
    : gate_(std::move(gate)), up_(std::move(up)), down_(std::move(down)) {}

at::Tensor FeedForward::Forward(const at::Tensor& x, const LowRankRows& low_rank) const {
  const at::Tensor gate = gate_->Forward(x, low_rank);
  const at::Tensor up = up_->Forward(x, low_rank);
  return down_->Forward(kernels::SiluMul(gate, up), low_rank);
}

}  // namespace triptych::model::layers
