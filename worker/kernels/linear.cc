#include "worker/kernels/linear.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include "common/check.h"
#include "worker/kernels/cpu_team.h"
#include "worker/kernels/linear_cpu.h"

namespace triptych::kernels {
namespace {

constexpr int64_t kPanel = 16;
constexpr int64_t kPanelsPerPiece = 4;

// [out, in] -> [ceil(out / 16), in, 16], zeros behind the last output.
at::Tensor PackPanels(const at::Tensor& weight) {
  const int64_t out = weight.size(0), in = weight.size(1);
  at::Tensor padded = at::zeros({(out + kPanel - 1) / kPanel * kPanel, in}, weight.options());
  padded.narrow(0, 0, out).copy_(weight);
  return padded.view({-1, kPanel, in}).transpose(1, 2).contiguous();
}

}  // namespace

PackedLinear PackedLinear::Pack(const at::Tensor& weight, const std::optional<at::Tensor>& bias, at::Device device) {
  TRIPTYCH_CHECK(weight.dim() == 2);
  PackedLinear packed;
  packed.out_ = weight.size(0);
  packed.in_ = weight.size(1);
  if (device.is_cpu()) {
    const bool kept = weight.scalar_type() == at::kFloat || weight.scalar_type() == at::kBFloat16;
    packed.packed_ = PackPanels(kept ? weight : weight.to(at::kFloat));
    if (bias) packed.bias_ = bias->to(at::kFloat).contiguous();
  } else {
    packed.packed_ = weight.to(device).contiguous();
    if (bias) packed.bias_ = bias->to(device, weight.scalar_type()).contiguous();
  }
  return packed;
}

int64_t PackedLinear::bytes() const {
  return static_cast<int64_t>(packed_.nbytes() + (bias_.defined() ? bias_.nbytes() : 0));
}

at::Tensor PackedLinear::Forward(const at::Tensor& x) const {
  TRIPTYCH_CHECK(x.dim() == 2 && x.size(1) == in_);
  if (x.is_meta()) return at::empty({x.size(0), out_}, x.options());
  if (!x.is_cpu()) {
    const at::Tensor transposed = packed_.t();
    return bias_.defined() ? at::addmm(bias_, x, transposed) : at::mm(x, transposed);
  }
  TRIPTYCH_CHECK(x.scalar_type() == at::kFloat);
  const at::Tensor rows = x.contiguous();
  at::Tensor y = at::empty({x.size(0), out_}, x.options());
  const LinearCpuArgs args{.x = rows.const_data_ptr<float>(),
                           .rows = x.size(0),
                           .in = in_,
                           .out = out_,
                           .panels = packed_.const_data_ptr(),
                           .bfloat16 = packed_.scalar_type() == at::kBFloat16,
                           .bias = bias_.defined() ? bias_.const_data_ptr<float>() : nullptr,
                           .y = y.mutable_data_ptr<float>()};
  if (x.size(0) > 0) {
    ParallelFor(packed_.size(0), kPanelsPerPiece, [&](int64_t begin, int64_t end) { LinearCpu(args, begin, end); });
  }
  return y;
}

}  // namespace triptych::kernels
