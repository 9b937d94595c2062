#pragma once

#include <cstdint>

namespace triptych::kernels {

// One (row, head): attends to positions [0, length) of its sequence.
struct AttendItem {
  const float* q;   // [d]
  float* out;       // [d]
  int32_t length;   // at least 1
};

// Items that share one sequence and kv head. Keys and values lie in blocks of 16 positions: keys [d, 16], values [16, d].
struct AttendArgs {
  const float* const* key_blocks;
  const float* const* value_blocks;
  int32_t head_dim;
  float scale;
};

// softmax(q k^T * scale) v for each item on its own; `scratch` has room for AttendScratchFloats(longest length).
void Attend(const AttendArgs& args, const AttendItem* items, int64_t num_items, float* scratch);
int64_t AttendScratchFloats(int64_t longest);

}  // namespace triptych::kernels
