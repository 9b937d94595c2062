#include "worker/shard/step_input.h"

#include <algorithm>

#include <ATen/ops/zeros.h>

namespace triptych::shard {
namespace {

using engine::EmbeddingRows;
using engine::SequenceStep;

int64_t CountImageRows(const std::vector<TokenId>& tokens) {
  return std::count(tokens.begin(), tokens.end(), kImageRow);
}

// All of the sequence's picture rows have a source, each one, and nothing else has.
bool SpansMatch(const SequenceStep& sequence) {
  int64_t end = 0;
  int64_t rows = 0;
  for (const EmbeddingRows& span : sequence.images) {
    const int64_t size = static_cast<int64_t>(sequence.tokens.size());
    if (span.rows <= 0 || span.offset < end || span.offset + int64_t{span.rows} > size)
      return false;
    const auto begin = sequence.tokens.begin() + span.offset;
    end = span.offset + int64_t{span.rows};
    rows += span.rows;
    if (std::count(begin, begin + span.rows, kImageRow) != span.rows) return false;
  }
  return rows == CountImageRows(sequence.tokens);
}

// Fills `rows` [image rows of the sequence, hidden].
Status FillRows(const SequenceStep& sequence, EmbeddingSource& source, at::Tensor rows) {
  if (!SpansMatch(sequence)) return Internal("the plan's pictures do not match its tokens");
  int64_t filled = 0;
  for (const EmbeddingRows& span : sequence.images) {
    TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor part,
                              source.Rows(span.key, span.first_row, span.rows));
    if (part.dim() != 2 || part.size(0) != span.rows || part.size(1) != rows.size(1)) {
      return Internal("a picture's rows have the wrong shape");
    }
    rows.narrow(0, filled, span.rows).copy_(part);
    filled += span.rows;
  }
  return OkStatus();
}

}  // namespace

PreparedStep PrepareStep(const engine::StepPlan& plan,
                         EmbeddingSource* source,
                         int64_t hidden_size) {
  PreparedStep prepared{.input = {.plan = &plan},
                        .errors = std::vector<std::string>(plan.sequences.size())};
  int64_t total = 0;
  for (const SequenceStep& sequence : plan.sequences) total += CountImageRows(sequence.tokens);
  if (total == 0) return prepared;
  prepared.input.image_rows = at::zeros({total, hidden_size}, at::kFloat);
  int64_t begin = 0;
  for (size_t i = 0; i < plan.sequences.size(); ++i) {
    const int64_t count = CountImageRows(plan.sequences[i].tokens);
    const at::Tensor rows = prepared.input.image_rows.narrow(0, begin, count);
    begin += count;
    if (count == 0) continue;
    const Status status = FillRows(plan.sequences[i], *source, rows);
    if (status.ok()) continue;
    rows.zero_();
    prepared.errors[i] = Message(status);
  }
  return prepared;
}

}  // namespace triptych::shard
