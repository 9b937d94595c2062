#include "worker/shard/plan_bounds.h"

#include <algorithm>

namespace triptych::shard {
namespace {

bool IsWithin(int32_t value, int32_t begin, int32_t end) { return value >= begin && value < end; }

Status CheckSequence(const engine::SequenceStep& sequence, const PlanBounds& bounds) {
  if (sequence.tokens.empty()) return Internal("sequence {} has no tokens", sequence.id);
  const int64_t end = sequence.first_position + static_cast<int64_t>(sequence.tokens.size());
  const int64_t room = static_cast<int64_t>(sequence.blocks.size()) * kBlockTokens;
  if (sequence.first_position < 0 || sequence.prompt_tokens < 0 || end > room) {
    return Internal("sequence {}: positions [{}, {}) of a prompt of {} do not fit into {} blocks",
                    sequence.id,
                    sequence.first_position,
                    end,
                    sequence.prompt_tokens,
                    sequence.blocks.size());
  }
  if (!IsWithin(sequence.adapter, 0, bounds.num_adapters)) {
    return Internal("sequence {}: adapter {} of {}", sequence.id, sequence.adapter, bounds.num_adapters);
  }
  for (const engine::BlockId block : sequence.blocks) {
    if (!IsWithin(block, 0, bounds.num_blocks)) {
      return Internal("sequence {}: block {} of {}", sequence.id, block, bounds.num_blocks);
    }
  }
  for (const TokenId token : sequence.tokens) {
    if (!IsWithin(token, kImageRow, bounds.vocab_size)) {
      return Internal(
          "sequence {}: token {} of a vocabulary of {}", sequence.id, token, bounds.vocab_size);
    }
  }
  return OkStatus();
}

}  // namespace

Status CheckPlan(const engine::StepPlan& plan, const PlanBounds& bounds) {
  for (const engine::BlockCopy& copy : plan.copies) {
    if (!IsWithin(copy.from, 0, bounds.num_blocks) || !IsWithin(copy.to, 0, bounds.num_blocks)) {
      return Internal(
          "a copy from block {} to block {} of {}", copy.from, copy.to, bounds.num_blocks);
    }
  }
  for (const engine::SequenceStep& sequence : plan.sequences) {
    TRIPTYCH_RETURN_IF_ERROR(CheckSequence(sequence, bounds));
  }
  return OkStatus();
}

}  // namespace triptych::shard
