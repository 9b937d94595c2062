#include "worker/kernels/quantized_matrix.h"

#include <algorithm>

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include "common/check.h"
#include "worker/kernels/cpu_team.h"

namespace triptych::kernels {
namespace {

// To the nearest whole number, halves to even; |x| below 2^22.
float Round(float x) {
  constexpr float kShift = 12582912;  // 1.5 * 2^23: floats of this size are whole numbers
  return (x + kShift) - kShift;
}

// One output's weights of one group.
void RoundGroup(const float* weights,
                int64_t count,
                float levels,
                uint8_t* codes,
                float& scale,
                uint8_t& zero) {
  float least = 0, greatest = 0;
  for (int64_t i = 0; i < count; ++i) {
    least = std::min(least, weights[i]);
    greatest = std::max(greatest, weights[i]);
  }
  // In parts, so that the range of any two finite numbers is finite.
  scale = greatest / levels - least / levels;
  if (scale == 0) scale = 1;
  const float zero_level = std::clamp(Round(-least / scale), 0.0f, levels);
  zero = static_cast<uint8_t>(zero_level);
  for (int64_t i = 0; i < count; ++i) {
    const float level = std::clamp(weights[i] / scale, -levels, levels);
    codes[i] = static_cast<uint8_t>(std::clamp(Round(level) + zero_level, 0.0f, levels));
  }
}

// As RoundToNearest; codes [out, in], scales and zeros [out, groups].
void RoundRows(const at::Tensor& rows,
               int bits,
               int64_t group_size,
               at::Tensor& codes,
               at::Tensor& scales,
               at::Tensor& zeros) {
  const int64_t in = rows.size(1), groups = scales.size(1);
  const float* const weights = rows.const_data_ptr<float>();
  auto* const code = codes.mutable_data_ptr<uint8_t>();
  auto* const scale = scales.mutable_data_ptr<float>();
  auto* const zero = zeros.mutable_data_ptr<uint8_t>();
  const auto levels = static_cast<float>((1 << bits) - 1);
  ParallelFor(rows.size(0), /*grain=*/16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * groups; i < end * groups; ++i) {
      const int64_t first = i % groups * group_size;
      const int64_t at = i / groups * in + first;
      const int64_t count = std::min(group_size, in - first);
      RoundGroup(weights + at, count, levels, code + at, scale[i], zero[i]);
    }
  });
}

}  // namespace

at::Tensor Dequantize(const QuantizedMatrix& matrix) {
  const at::Tensor zeros = matrix.zeros.to(at::kFloat).index_select(0, matrix.group_of);
  const at::Tensor scales = matrix.scales.index_select(0, matrix.group_of);
  return matrix.codes.to(at::kFloat).sub_(zeros).mul_(scales).t().contiguous();
}

QuantizedMatrix JoinOutputs(const std::vector<QuantizedMatrix>& parts) {
  TRIPTYCH_CHECK(!parts.empty());
  if (parts.size() == 1) return parts.front();
  std::vector<at::Tensor> codes, scales, zeros;
  for (const QuantizedMatrix& part : parts) {
    TRIPTYCH_CHECK(part.bits == parts.front().bits && part.in() == parts.front().in());
    codes.push_back(part.codes);
    scales.push_back(part.scales);
    zeros.push_back(part.zeros);
  }
  return {.bits = parts.front().bits,
          .codes = at::cat(codes, 1),
          .scales = at::cat(scales, 1),
          .zeros = at::cat(zeros, 1),
          .group_of = parts.front().group_of};
}

QuantizedMatrix RoundToNearest(const at::Tensor& weight, int bits, int64_t group_size) {
  TRIPTYCH_CHECK(weight.dim() == 2 && weight.scalar_type() == at::kFloat && group_size > 0);
  TRIPTYCH_CHECK(bits == 4 || bits == 8);
  const at::Tensor rows = weight.contiguous();
  const int64_t out = rows.size(0), in = rows.size(1);
  const int64_t groups = (in + group_size - 1) / group_size;
  at::Tensor codes = at::empty({out, in}, rows.options().dtype(at::kByte));
  at::Tensor scales = at::empty({out, groups}, rows.options());
  at::Tensor zeros = at::empty({out, groups}, codes.options());
  if (!rows.is_meta()) RoundRows(rows, bits, group_size, codes, scales, zeros);
  return {.bits = bits,
          .codes = codes.t().contiguous(),
          .scales = scales.t().contiguous(),
          .zeros = zeros.t().contiguous(),
          .group_of = at::arange(in, at::kLong).floor_divide(group_size).to(at::kInt)};
}

}  // namespace triptych::kernels
