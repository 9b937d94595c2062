#include "worker/kernels/memory_meter.h"

#include <c10/core/Allocator.h>

namespace triptych::kernels {

struct MemoryMeter::Counts final : c10::MemoryReportingInfoBase {
  void reportMemoryUsage(void*, int64_t alloc_size, size_t, size_t, c10::Device) override {
    (in_kv ? kv_bytes : weight_bytes) += alloc_size;
  }
  bool memoryProfilingEnabled() const override { return true; }

  // The calling thread's, if it has a meter.
  static Counts* Current() {
    return dynamic_cast<Counts*>(
        c10::ThreadLocalDebugInfo::get(c10::DebugInfoKind::PROFILER_STATE));
  }

  int64_t weight_bytes = 0;
  int64_t kv_bytes = 0;
  bool in_kv = false;
};

MemoryMeter::MemoryMeter()
    : counts_(std::make_shared<Counts>()), guard_(c10::DebugInfoKind::PROFILER_STATE, counts_) {}

MemoryMeter::~MemoryMeter() = default;

int64_t MemoryMeter::weight_bytes() const { return counts_->weight_bytes; }
int64_t MemoryMeter::kv_bytes() const { return counts_->kv_bytes; }

MemoryMeter::KvScope::KvScope() {
  if (Counts* counts = Counts::Current()) counts->in_kv = true;
}

MemoryMeter::KvScope::~KvScope() {
  if (Counts* counts = Counts::Current()) counts->in_kv = false;
}

}  // namespace triptych::kernels
