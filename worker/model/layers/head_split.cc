#include "worker/model/layers/head_split.h"

namespace triptych::model::layers {

StatusOr<HeadSplit> SplitHeads(
    int64_t query_heads, int64_t kv_heads, int64_t head_dim, int rank, int size) {
  const bool is_split = kv_heads >= size;
  if (query_heads % size != 0 || query_heads % kv_heads != 0 ||
      (is_split ? kv_heads % size : size % kv_heads) != 0) {
    return FailedPrecondition(
        "tensor parallel {} does not divide {} query heads and {} key/value heads evenly",
        size,
        query_heads,
        kv_heads);
  }
  const int64_t group = query_heads / kv_heads;
  const int64_t packed = (group + 2) * head_dim;  // rows of one kv head and its queries
  if (is_split) {
    const int64_t count = kv_heads / size;
    const int64_t begin = rank * count * packed;
    return HeadSplit{
        .kv_heads = count, .group = group, .qkv_rows = {{begin, begin + count * packed}}};
  }
  const int64_t sharers = size / kv_heads;
  const int64_t local = group / sharers;
  const int64_t start = rank / sharers * packed;
  const int64_t queries = start + rank % sharers * local * head_dim;
  return HeadSplit{.kv_heads = 1,
                   .group = local,
                   .qkv_rows = {{queries, queries + local * head_dim},
                                {start + group * head_dim, start + packed}}};
}

}  // namespace triptych::model::layers
