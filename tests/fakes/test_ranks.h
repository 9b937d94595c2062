#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "tests/fakes/fake_model_runner.h"
#include "worker/comm/local.h"
#include "worker/shard/rank_thread.h"

namespace triptych::fakes {

// The parts of ranks that compute nothing, joined by the in-process communicator. Ranks of several
// groups in one process may share them, as if they were in several processes.
inline shard::RankParts FakeRankParts(int world_size, FakeModelRunner::OnForward on_forward = {}) {
  auto communicators = std::make_shared<std::vector<std::unique_ptr<comm::Communicator>>>(
      comm::MakeLocalGroup(world_size));
  auto mutex = std::make_shared<std::mutex>();
  shard::RankParts parts;
  parts.make_communicator = [communicators, mutex](int rank) {
    const std::lock_guard lock(*mutex);
    return StatusOr<std::unique_ptr<comm::Communicator>>(std::move((*communicators)[rank]));
  };
  parts.make_runner = [on_forward](comm::Communicator& communicator, at::Device) {
    return StatusOr<std::unique_ptr<model::ModelRunner>>(
        std::make_unique<FakeModelRunner>(&communicator, on_forward));
  };
  return parts;
}

// A plan that asks for the token after `token`, greedily.
inline std::shared_ptr<const engine::StepPlan> PlanAfter(uint64_t step, TokenId token) {
  auto plan = std::make_shared<engine::StepPlan>();
  plan->step = step;
  plan->sequences.push_back(
      {.id = 1,
       .tokens = {token},
       .blocks = {0},
       .sample = engine::SampleRequest{.params = std::make_shared<engine::SamplingParams>()}});
  return plan;
}

inline constexpr shard::PlanBounds kFakeBounds{.num_blocks = 4,
                                               .vocab_size = FakeModelRunner::kVocab};

}  // namespace triptych::fakes
