#pragma once

#include <cstdint>
#include <memory>

#include <c10/util/ThreadLocalDebugInfo.h>

namespace triptych::kernels {

// Counts the bytes of the tensors, on any device, that the calling thread has made since the meter
// was and that are still there: what a rank that has loaded holds. Blocks of keys and values are
// counted apart. By libtorch's own reports of allocations: while a meter lives, its thread cannot
// be profiled. One thread, one meter at a time.
class MemoryMeter {
 public:
  MemoryMeter();
  ~MemoryMeter();
  MemoryMeter(const MemoryMeter&) = delete;
  MemoryMeter& operator=(const MemoryMeter&) = delete;

  int64_t weight_bytes() const;  // all but keys and values
  int64_t kv_bytes() const;

  // From now on tensors without data (on the meta device) are counted as if they had it, by the
  // meters of all threads. Before other threads are started.
  static void CountMetaTensors();

  // What the thread makes or frees while one of these lives counts as keys and values. Does nothing
  // without a meter.
  class KvScope {
   public:
    KvScope();
    ~KvScope();
    KvScope(const KvScope&) = delete;
    KvScope& operator=(const KvScope&) = delete;
  };

 private:
  struct Counts;

  std::shared_ptr<Counts> counts_;
  c10::DebugInfoGuard guard_;
};

}  // namespace triptych::kernels
