#pragma once

#include <cstdint>

// Row by row on the CPU, float32: what norms and activations are made of.
namespace triptych::kernels {

void RmsNormRows(const float* x, const float* weight, float eps, int64_t rows, int64_t width, float* y);
void LayerNormRows(const float* x, const float* weight, const float* bias, float eps, int64_t rows, int64_t width, float* y);
void SiluMulFlat(const float* gate, const float* up, int64_t n, float* y);
void QuickGeluFlat(const float* x, int64_t n, float* y);
void ExpFlat(const float* x, int64_t n, float* y);  // the exponential that all kernels use

}  // namespace triptych::kernels
