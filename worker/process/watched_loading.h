#pragma once

#include <malloc.h>

#include <string>
#include <utility>

#include "common/clock.h"
#include "common/log/log.h"
#include "common/status.h"
#include "worker/kernels/memory_meter.h"
#include "worker/weights/progress_loader.h"

namespace triptych::worker {

// Calls load(loader) -> StatusOr<T> with a loader that logs how far it has come, and logs in the end how much was read, how fast, and the memory
// that what was loaded takes. Memory that loading has freed goes back to the system. `who` begins the lines. On the thread that loads; what is loaded keeps nothing of the loader.
template <typename T, typename LoadFunction>
StatusOr<T> LoadWatched(const std::string& who, const weights::WeightLoader& loader, const Clock& clock, const LoadFunction& load) {
  const kernels::MemoryMeter meter;
  const weights::ProgressLoader watched(
      &loader, {.who = who, .log = [](const std::string& line) { spdlog::info("{}", line); }}, &clock);
  StatusOr<T> loaded = load(watched);
  if (!loaded.ok()) return loaded;
  (void)malloc_trim(0);  // between tensors that stay, glibc would keep what repacking freed: a third of a model
  watched.Finish();
  spdlog::info("{}: {} bytes of weights, {} bytes of keys and values", who, meter.weight_bytes(), meter.kv_bytes());
  return loaded;
}

}  // namespace triptych::worker
