#include "worker/kernels/memory_meter.h"

#include <thread>

#include <ATen/ops/zeros.h>

#include "gtest/gtest.h"
#include "worker/kernels/paged_attention.h"

namespace triptych::kernels {
namespace {

TEST(MemoryMeterTest, CountsWhatIsStillHeld) {
  const at::Tensor before = at::zeros({1000});
  at::Tensor kept;
  const MemoryMeter meter;
  kept = at::zeros({300}, at::kFloat);
  EXPECT_EQ(meter.weight_bytes(), 1200);
  {
    const at::Tensor temporary = at::zeros({100}, at::kFloat);
    EXPECT_EQ(meter.weight_bytes(), 1600);
    kept = temporary.to(at::kBFloat16);
  }
  EXPECT_EQ(meter.weight_bytes(), 200);
  EXPECT_EQ(meter.kv_bytes(), 0);
}

TEST(MemoryMeterTest, KeysAndValuesAreCountedApart) {
  const MemoryMeter meter;
  const at::Tensor weights = at::zeros({10}, at::kFloat);
  const PagedKv cache =
      PagedKv::Allocate(/*blocks=*/3, /*kv_heads=*/2, /*head_dim=*/8, at::kFloat, at::kCPU);
  EXPECT_EQ(meter.weight_bytes(), 40);
  EXPECT_EQ(meter.kv_bytes(), 2 * 3 * 2 * 8 * 16 * 4);
}

TEST(MemoryMeterTest, TensorsWithoutDataCountAsIfTheyHadIt) {
  MemoryMeter::CountMetaTensors();
  const MemoryMeter meter;
  at::Tensor kept = at::zeros({300}, at::device(at::kMeta).dtype(at::kFloat));
  EXPECT_EQ(meter.weight_bytes(), 1200);
  kept = kept.to(at::kBFloat16);
  EXPECT_EQ(meter.weight_bytes(), 600);
  const PagedKv cache =
      PagedKv::Allocate(/*blocks=*/3, /*kv_heads=*/2, /*head_dim=*/8, at::kFloat, at::kMeta);
  EXPECT_EQ(meter.kv_bytes(), 2 * 3 * 2 * 8 * 16 * 4);
  EXPECT_EQ(meter.weight_bytes(), 600);
}

TEST(MemoryMeterTest, OtherThreadsAreNotCounted) {
  const MemoryMeter meter;
  at::Tensor other;
  std::thread([&other] { other = at::zeros({100}); }).join();
  EXPECT_EQ(meter.weight_bytes(), 0);
}

TEST(MemoryMeterTest, ACacheNeedsNoMeter) {
  EXPECT_EQ(PagedKv::Allocate(1, 1, 2, at::kFloat, at::kCPU).keys.numel(), 32);
}

}  // namespace
}  // namespace triptych::kernels
