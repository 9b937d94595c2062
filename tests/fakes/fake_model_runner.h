#pragma once

#include <functional>
#include <utility>

#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include "worker/comm/communicator.h"
#include "worker/model/model_runner.h"

namespace triptych::fakes {

// A rank's model without weights: the ranks sum ones, and the best next token is the last token
// plus the number of ranks, modulo the vocabulary. For plans whose sequences all want their last
// logits.
class FakeModelRunner final : public model::ModelRunner {
 public:
  static constexpr int64_t kVocab = 50;
  using OnForward = std::function<void(int rank, const engine::StepPlan& plan)>;  // may throw, wait

  FakeModelRunner(comm::Communicator* communicator, OnForward on_forward)
      : communicator_(communicator), on_forward_(std::move(on_forward)) {}

  at::Tensor Forward(const model::StepInput& input) override {
    if (on_forward_) on_forward_(communicator_->rank(), *input.plan);
    at::Tensor ranks = at::ones({1, 1});
    communicator_->AllReduceSum(ranks);
    const auto num_ranks = static_cast<int64_t>(ranks.const_data_ptr<float>()[0]);
    const auto n = static_cast<int64_t>(input.plan->sequences.size());
    at::Tensor logits = at::zeros({n, kVocab});
    float* row = logits.mutable_data_ptr<float>();
    for (const engine::SequenceStep& sequence : input.plan->sequences) {
      row[(sequence.tokens.back() + num_ranks) % kVocab] = 10;
      row += kVocab;
    }
    return logits;
  }

 private:
  comm::Communicator* communicator_;
  OnForward on_forward_;
};

}  // namespace triptych::fakes
