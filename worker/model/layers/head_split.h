#pragma once

#include <cstdint>
#include <vector>

#include "common/status.h"
#include "worker/model/layers/range.h"

namespace triptych::model::layers {

// The attention heads of one rank: `kv_heads` key/value heads, each read by `group` query heads.
//
// Each rank has whole kv heads with all their query heads, the first ranks one more where they do
// not divide. Where there are more ranks than kv heads, the kv heads share out the ranks in the
// same way: the ranks of one kv head each hold its keys and values, and split its query heads. So
// every rank has at least one query head, its groups are all of one size, rank 0 has as many kv
// heads as any, and the ranks' query heads follow each other.
struct HeadSplit {
  int64_t kv_heads = 0;
  int64_t group = 0;
  int64_t query_heads() const { return kv_heads * group; }

  // Stored rows of a fused projection packed [kv heads, group + 2, d] (queries, key, value) that
  // this rank holds; put together they are packed alike.
  std::vector<Range> qkv_rows;
  // Its query heads' features among those of all: the columns of the projection behind attention.
  Range query_features;
  // Its kv heads' features among those of all.
  Range kv_features;
};

// `kv_heads` divides `query_heads`. kFailedPrecondition when there are more ranks than query heads.
StatusOr<HeadSplit> SplitHeads(
    int64_t query_heads, int64_t kv_heads, int64_t head_dim, int rank, int size);

}  // namespace triptych::model::layers
