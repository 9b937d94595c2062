#include "worker/quantization/packed_words.h"

#include <ATen/ops/empty.h>

#include "common/check.h"

namespace triptych::quantization {
namespace {

uint8_t NumberOf(int32_t word, int bits, int64_t k) {
  return static_cast<uint8_t>(static_cast<uint32_t>(word) >> (bits * k) & ((1u << bits) - 1));
}

}  // namespace

at::Tensor UnpackColumns(const at::Tensor& words, int bits, const WordOrder& order) {
  TRIPTYCH_CHECK(words.dim() == 2 && words.scalar_type() == at::kInt && words.is_contiguous());
  const int64_t per = PerWord(bits);
  at::Tensor numbers = at::empty({words.size(0), words.size(1) * per}, at::kByte);
  const auto* const from = words.const_data_ptr<int32_t>();
  auto* const to = numbers.mutable_data_ptr<uint8_t>();
  for (int64_t i = 0; i < words.numel(); ++i) {
    for (int64_t k = 0; k < per; ++k) to[i * per + order[k]] = NumberOf(from[i], bits, k);
  }
  return numbers;
}

at::Tensor UnpackRows(const at::Tensor& words, int bits) {
  TRIPTYCH_CHECK(words.dim() == 2 && words.scalar_type() == at::kInt && words.is_contiguous());
  const int64_t per = PerWord(bits), n = words.size(1);
  at::Tensor numbers = at::empty({words.size(0) * per, n}, at::kByte);
  const auto* const from = words.const_data_ptr<int32_t>();
  auto* to = numbers.mutable_data_ptr<uint8_t>();
  for (int64_t row = 0; row < words.size(0); ++row) {
    for (int64_t k = 0; k < per; ++k) {
      for (int64_t i = 0; i < n; ++i) *to++ = NumberOf(from[row * n + i], bits, k);
    }
  }
  return numbers;
}

}  // namespace triptych::quantization
