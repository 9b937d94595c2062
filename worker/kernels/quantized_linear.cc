#include "worker/kernels/quantized_linear.h"

#include <algorithm>

#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include "common/check.h"
#include "worker/kernels/cpu_team.h"
#include "worker/kernels/quantized_linear_cpu.h"

namespace triptych::kernels {
namespace {

constexpr int64_t kPanel = 16;
constexpr int64_t kPanelsPerPiece = 4;
constexpr int64_t kRowsAtOnce = 1024;  // on a device

int64_t Panels(int64_t out) { return (out + kPanel - 1) / kPanel; }

// [n, out] -> [panels, n, 16], zeros behind the last output.
at::Tensor PackPanels(const at::Tensor& table) {
  const int64_t n = table.size(0), out = table.size(1);
  at::Tensor padded = at::zeros({n, Panels(out) * kPanel}, table.options());
  padded.narrow(1, 0, out).copy_(table);
  return padded.view({n, -1, kPanel}).transpose(0, 1).contiguous();
}

// Codes of 4 bits as the CPU's kernel has them: [panels, in, 8].
at::Tensor PackNibblePanels(const at::Tensor& codes) {
  constexpr int64_t kHalf = kPanel / 2;
  const int64_t in = codes.size(0), out = codes.size(1);
  at::Tensor packed = at::empty({Panels(out), in, kHalf}, codes.options());
  if (codes.is_meta()) return packed;
  const at::Tensor rows = codes.contiguous();
  const auto* const from = rows.const_data_ptr<uint8_t>();
  auto* to = packed.mutable_data_ptr<uint8_t>();
  const auto code = [&](int64_t i, int64_t o) { return o < out ? from[i * out + o] : 0; };
  for (int64_t first = 0; first < out; first += kPanel) {
    for (int64_t i = 0; i < in; ++i) {
      for (int64_t b = 0; b < kHalf; ++b) {
        *to++ = static_cast<uint8_t>(code(i, first + b) | code(i, first + b + kHalf) << 4);
      }
    }
  }
  return packed;
}

}  // namespace

at::Tensor PackNibbles(const at::Tensor& codes) {
  const int64_t in = codes.size(0), out = codes.size(1);
  at::Tensor even = at::zeros({in, (out + 1) / 2 * 2}, codes.options());
  even.narrow(1, 0, out).copy_(codes);
  const at::Tensor pairs = even.view({in, -1, 2});
  return pairs.select(2, 0).add(pairs.select(2, 1), 16).contiguous();
}

at::Tensor UnpackNibbles(const at::Tensor& packed, int64_t out) {
  const at::Tensor pairs = at::stack({packed.bitwise_and(15), packed.floor_divide(16)}, 2);
  return pairs.view({packed.size(0), -1}).narrow(1, 0, out);
}

QuantizedLinear QuantizedLinear::Pack(const QuantizedMatrix& matrix,
                                      const std::optional<at::Tensor>& bias,
                                      at::Device device) {
  TRIPTYCH_CHECK(matrix.bits == 4 || matrix.bits == 8);
  QuantizedLinear packed;
  packed.bits_ = matrix.bits;
  packed.in_ = matrix.in();
  packed.out_ = matrix.out();
  const bool nibbles = matrix.bits == 4;
  if (device.is_cpu()) {
    packed.codes_ = nibbles ? PackNibblePanels(matrix.codes) : PackPanels(matrix.codes);
    packed.scales_ = PackPanels(matrix.scales);
    packed.zeros_ = PackPanels(matrix.zeros);
    packed.group_of_ = matrix.group_of.contiguous();
    if (bias) packed.bias_ = bias->to(at::kFloat).contiguous();
  } else {
    packed.codes_ = (nibbles ? PackNibbles(matrix.codes) : matrix.codes).to(device);
    packed.scales_ = matrix.scales.to(device);
    packed.zeros_ = matrix.zeros.to(device);
    packed.group_of_ = matrix.group_of.to(device);
    if (bias) packed.bias_ = bias->to(device);
  }
  return packed;
}

int64_t QuantizedLinear::bytes() const {
  int64_t bytes = 0;
  for (const at::Tensor& tensor : {codes_, scales_, zeros_, group_of_, bias_}) {
    if (tensor.defined()) bytes += static_cast<int64_t>(tensor.nbytes());
  }
  return bytes;
}

at::Tensor QuantizedLinear::Forward(const at::Tensor& x) const {
  TRIPTYCH_CHECK(x.dim() == 2 && x.size(1) == in_);
  if (x.is_cpu()) return ForwardCpu(x);
  at::Tensor weight = at::empty({in_, out_}, x.options());
  for (int64_t begin = 0; begin < in_; begin += kRowsAtOnce) {
    const int64_t count = std::min(kRowsAtOnce, in_ - begin);
    const at::Tensor stored = codes_.narrow(0, begin, count);
    const at::Tensor codes = bits_ == 4 ? UnpackNibbles(stored, out_) : stored;
    const at::Tensor groups = group_of_.narrow(0, begin, count);
    const at::Tensor zeros = zeros_.index_select(0, groups).to(at::kFloat);
    const at::Tensor scales = scales_.index_select(0, groups);
    weight.narrow(0, begin, count).copy_(codes.to(at::kFloat).sub_(zeros).mul_(scales));
  }
  return bias_.defined() ? at::addmm(bias_.to(x.scalar_type()), x, weight) : at::mm(x, weight);
}

at::Tensor QuantizedLinear::ForwardCpu(const at::Tensor& x) const {
  TRIPTYCH_CHECK(x.scalar_type() == at::kFloat);
  const at::Tensor rows = x.contiguous();
  at::Tensor y = at::empty({x.size(0), out_}, x.options());
  const QuantizedLinearCpuArgs args{
      .linear = {.x = rows.const_data_ptr<float>(),
                 .rows = x.size(0),
                 .in = in_,
                 .out = out_,
                 .panels = nullptr,
                 .bfloat16 = false,
                 .bias = bias_.defined() ? bias_.const_data_ptr<float>() : nullptr,
                 .y = y.mutable_data_ptr<float>()},
      .bits = bits_,
      .groups = scales_.size(1),
      .codes = codes_.const_data_ptr<uint8_t>(),
      .scales = scales_.const_data_ptr<float>(),
      .zeros = zeros_.const_data_ptr<uint8_t>(),
      .group_of = group_of_.const_data_ptr<int32_t>()};
  if (x.size(0) > 0) {
    ParallelFor(codes_.size(0), kPanelsPerPiece, [&](int64_t begin, int64_t end) {
      QuantizedLinearCpu(args, begin, end);
    });
  }
  return y;
}

}  // namespace triptych::kernels
