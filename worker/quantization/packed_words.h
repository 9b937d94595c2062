#pragma once

#include <array>
#include <cstdint>

#include <ATen/core/Tensor.h>

// Whole numbers of 4 or 8 bits in int32 words, lowest bits first.
namespace triptych::quantization {

// Which number of its word the k-th lowest bits are, of eight or four.
using WordOrder = std::array<int8_t, 8>;
inline constexpr WordOrder kInOrder = {0, 1, 2, 3, 4, 5, 6, 7};
// AWQ's, for its kernels' register layout.
inline constexpr WordOrder kInterleaved = {0, 2, 4, 6, 1, 3, 5, 7};

inline int64_t PerWord(int bits) { return 32 / bits; }

// Words [n, words] of neighbouring columns -> [n, words * PerWord] uint8.
at::Tensor UnpackColumns(const at::Tensor& words, int bits, const WordOrder& order);
// Words [words, n] of neighbouring rows, in order -> [words * PerWord, n] uint8.
at::Tensor UnpackRows(const at::Tensor& words, int bits);

}  // namespace triptych::quantization
