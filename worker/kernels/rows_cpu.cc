#include "worker/kernels/rows_cpu.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "worker/kernels/rows_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "worker/kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace triptych::kernels::HWY_NAMESPACE {

// Calls body(offset, lanes in use) for each 16 of n.
template <typename Body>
HWY_INLINE void Each16(int64_t n, Body body) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) body(i, kLanes);
  if (i < n) body(i, static_cast<int>(n - i));
}

HWY_INLINE Lanes LoadAt(const float* from, int64_t i, int n) { return n == kLanes ? Load16(from + i) : LoadFirst(from + i, n); }
HWY_INLINE void StoreAt(const Lanes& a, int n, float* to) {
  if (n == kLanes) return Store16(a, to);
  StoreFirst(a, n, to);
}

void RmsNormTarget(const float* x, const float* weight, float eps, int64_t rows, int64_t width, float* y) {
  for (int64_t row = 0; row < rows; ++row, x += width, y += width) {
    Lanes squares = Fill(0);
    Each16(width, [&](int64_t i, int n) HWY_ATTR {
      const Lanes v = LoadAt(x, i, n);
      squares = MulAdd(v, v, squares);
    });
    const Lanes scale = Fill(1.0f / std::sqrt(SumTree(squares) / static_cast<float>(width) + eps));
    Each16(width, [&](int64_t i, int n) HWY_ATTR { StoreAt(Mul(Mul(LoadAt(x, i, n), scale), LoadAt(weight, i, n)), n, y + i); });
  }
}

void LayerNormTarget(const float* x, const float* weight, const float* bias, float eps, int64_t rows, int64_t width, float* y) {
  for (int64_t row = 0; row < rows; ++row, x += width, y += width) {
    Lanes sum = Fill(0);
    Each16(width, [&](int64_t i, int n) HWY_ATTR { sum = Add(sum, LoadAt(x, i, n)); });
    const Lanes mean = Fill(SumTree(sum) / static_cast<float>(width));
    Lanes squares = Fill(0);
    Each16(width, [&](int64_t i, int n) HWY_ATTR {
      HWY_ALIGN float centred[kLanes];
      Store16(Sub(LoadAt(x, i, n), mean), centred);
      const Lanes v = LoadFirst(centred, n);  // zeros behind the row's end
      squares = MulAdd(v, v, squares);
    });
    const Lanes scale = Fill(1.0f / std::sqrt(SumTree(squares) / static_cast<float>(width) + eps));
    Each16(width, [&](int64_t i, int n) HWY_ATTR {
      const Lanes normal = Mul(Sub(LoadAt(x, i, n), mean), scale);
      StoreAt(MulAdd(normal, LoadAt(weight, i, n), LoadAt(bias, i, n)), n, y + i);
    });
  }
}

// x / (1 + e^(-slope x))
HWY_INLINE Lanes TimesSigmoid(const Lanes& x, float slope) {
  return Div(x, Add(Fill(1), Exp(Mul(x, Fill(-slope)))));
}

void SiluMulTarget(const float* gate, const float* up, int64_t n, float* y) {
  Each16(n, [&](int64_t i, int used) HWY_ATTR { StoreAt(Mul(TimesSigmoid(LoadAt(gate, i, used), 1), LoadAt(up, i, used)), used, y + i); });
}

void QuickGeluTarget(const float* x, int64_t n, float* y) {
  Each16(n, [&](int64_t i, int used) HWY_ATTR { StoreAt(TimesSigmoid(LoadAt(x, i, used), 1.702f), used, y + i); });
}

void ExpTarget(const float* x, int64_t n, float* y) {
  Each16(n, [&](int64_t i, int used) HWY_ATTR { StoreAt(Exp(LoadAt(x, i, used)), used, y + i); });
}

}  // namespace triptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace triptych::kernels {

HWY_EXPORT(RmsNormTarget);
HWY_EXPORT(LayerNormTarget);
HWY_EXPORT(SiluMulTarget);
HWY_EXPORT(QuickGeluTarget);
HWY_EXPORT(ExpTarget);

void RmsNormRows(const float* x, const float* weight, float eps, int64_t rows, int64_t width, float* y) {
  HWY_DYNAMIC_DISPATCH(RmsNormTarget)(x, weight, eps, rows, width, y);
}
void LayerNormRows(const float* x, const float* weight, const float* bias, float eps, int64_t rows, int64_t width, float* y) {
  HWY_DYNAMIC_DISPATCH(LayerNormTarget)(x, weight, bias, eps, rows, width, y);
}
void SiluMulFlat(const float* gate, const float* up, int64_t n, float* y) { HWY_DYNAMIC_DISPATCH(SiluMulTarget)(gate, up, n, y); }
void QuickGeluFlat(const float* x, int64_t n, float* y) { HWY_DYNAMIC_DISPATCH(QuickGeluTarget)(x, n, y); }
void ExpFlat(const float* x, int64_t n, float* y) { HWY_DYNAMIC_DISPATCH(ExpTarget)(x, n, y); }

}  // namespace triptych::kernels
#endif
