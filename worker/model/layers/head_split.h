#pragma once

#include <cstdint>
#include <vector>

#include "common/status.h"
#include "worker/model/layers/range.h"

namespace triptych::model::layers {

// The attention heads of one rank: `kv_heads` key/value heads, each read by `group` query heads.
// Ranks split kv heads evenly; where there are more ranks than kv heads, each kv head is held by
// several ranks, which split its query heads.
struct HeadSplit {
  int64_t kv_heads = 0;
  int64_t group = 0;
  int64_t query_heads() const { return kv_heads * group; }

  // Stored rows of a fused projection packed [kv heads, group + 2, d] (queries, key, value) that
  // this rank holds; put together they are packed alike.
  std::vector<Range> qkv_rows;
};

// kFailedPrecondition when the heads do not divide over `size` ranks.
StatusOr<HeadSplit> SplitHeads(
    int64_t query_heads, int64_t kv_heads, int64_t head_dim, int rank, int size);

}  // namespace triptych::model::layers
