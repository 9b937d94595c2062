#include "worker/kernels/memory_meter.h"

#include <c10/core/Allocator.h>

namespace triptych::kernels {
namespace {

void ReportMeta(int64_t bytes) {
  c10::reportMemoryUsageToProfiler(nullptr, bytes, 0, 0, c10::DeviceType::Meta);
}

// Gives no memory, and reports what was asked for and given back.
class ReportingMetaAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    ReportMeta(static_cast<int64_t>(bytes));
    return {nullptr, new size_t(bytes), Free, c10::DeviceType::Meta};
  }
  void copy_data(void*, const void*, size_t) const override {}

 private:
  static void Free(void* context) {
    const auto* const bytes = static_cast<size_t*>(context);
    ReportMeta(-static_cast<int64_t>(*bytes));
    delete bytes;
  }
};

}  // namespace

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

void MemoryMeter::CountMetaTensors() {
  static ReportingMetaAllocator allocator;
  c10::SetAllocator(c10::DeviceType::Meta, &allocator, /*priority=*/1);
}

MemoryMeter::KvScope::KvScope() {
  if (Counts* counts = Counts::Current()) counts->in_kv = true;
}

MemoryMeter::KvScope::~KvScope() {
  if (Counts* counts = Counts::Current()) counts->in_kv = false;
}

}  // namespace triptych::kernels
