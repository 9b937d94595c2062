#include "worker/model/layers/head_split.h"

#include "common/check.h"

namespace triptych::model::layers {

StatusOr<HeadSplit> SplitHeads(
    int64_t query_heads, int64_t kv_heads, int64_t head_dim, int rank, int size) {
  TRIPTYCH_CHECK(query_heads % kv_heads == 0);
  TRIPTYCH_RETURN_IF_ERROR(CheckRanks(size, query_heads, "query heads"));
  const int64_t group = query_heads / kv_heads;
  const int64_t packed = (group + 2) * head_dim;  // rows of one kv head and its queries
  if (size <= kv_heads) {
    const Range mine = PartOf(kv_heads, rank, size);
    const int64_t features = group * head_dim;
    return HeadSplit{.kv_heads = mine.size(),
                     .group = group,
                     .qkv_rows = {{mine.begin * packed, mine.end * packed}},
                     .query_features = {mine.begin * features, mine.end * features},
                     .kv_features = {mine.begin * head_dim, mine.end * head_dim}};
  }
  int64_t kv_head = 0;
  while (PartOf(size, kv_head, kv_heads).end <= rank) ++kv_head;
  const Range sharers = PartOf(size, kv_head, kv_heads);
  const Range mine = PartOf(group, rank - sharers.begin, sharers.size());
  const int64_t start = kv_head * packed;
  const int64_t first = kv_head * group;
  return HeadSplit{
      .kv_heads = 1,
      .group = mine.size(),
      .qkv_rows = {{start + mine.begin * head_dim, start + mine.end * head_dim},
                   {start + group * head_dim, start + packed}},
      .query_features = {(first + mine.begin) * head_dim, (first + mine.end) * head_dim},
      .kv_features = {kv_head * head_dim, (kv_head + 1) * head_dim}};
}

}  // namespace triptych::model::layers
