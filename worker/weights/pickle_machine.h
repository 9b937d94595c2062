#pragma once

#include <cstddef>
#include <span>

#include "common/status.h"
#include "worker/weights/pickle_heap.h"

namespace triptych::weights {

inline constexpr size_t kMaxPickleBytes = 64 << 20;
inline constexpr size_t kMaxPickleStack = 1 << 16;
inline constexpr size_t kMaxPickleMarks = 64;
inline constexpr size_t kMaxPickleTextBytes = 4096;

// Reads a pickle of protocol 2 to 4 into `heap` and gives what it leaves: the opcodes that
// torch.save uses for dicts of tensors, and no others (Python's pickletools describes them). Runs
// once over the bytes, which must outlive the heap, and executes nothing. kFailedPrecondition names
// the opcode or the global, and the byte.
StatusOr<PickleRef> RunPickle(std::span<const std::byte> pickle, PickleHeap& heap);

}  // namespace triptych::weights
