#include "tests/fakes/model_crew.h"

#include <algorithm>

#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>

#include "absl/synchronization/mutex.h"
#include "common/check.h"
#include "gtest/gtest.h"
#include "worker/model/registry.h"
#include "worker/weights/weight_loader.h"

namespace triptych::fakes {

StatusOr<std::unique_ptr<ModelCrew>> ModelCrew::Load(const std::string& model_dir,
                                                     int tensor_parallel,
                                                     int64_t num_blocks,
                                                     at::Device device,
                                                     at::ScalarType dtype,
                                                     const quantization::Scheme& wanted) {
  TRIPTYCH_ASSIGN_OR_RETURN(const auto loader, weights::LoadCheckpoint(model_dir));
  std::unique_ptr<ModelCrew> model(new ModelCrew(tensor_parallel));
  absl::Mutex mutex;
  Status first_error;
  model->crew_.Run([&](comm::Communicator& communicator) {
    auto runner = model::MakeModelRunner(
        model_dir,
        *loader,
        num_blocks,
        {.communicator = &communicator,
         .device = device,
         .dtype = dtype,
         .quantization = wanted});
    const absl::MutexLock lock(&mutex);
    if (!runner.ok()) {
      first_error = runner.status();
      return;
    }
    model->runners_[communicator.rank()] = *std::move(runner);
  });
  TRIPTYCH_RETURN_IF_ERROR(first_error);
  return model;
}

at::Tensor ModelCrew::Forward(const engine::StepPlan& plan, const at::Tensor& image_rows) {
  std::vector<at::Tensor> logits(runners_.size());
  crew_.Run([&](comm::Communicator& communicator) {
    const int rank = communicator.rank();
    logits[rank] = runners_[rank]->Forward(
        {.plan = &plan, .image_rows = rank == 0 ? image_rows : at::Tensor()});
  });
  for (const at::Tensor& other : logits) EXPECT_TRUE(at::equal(logits[0], other));
  return logits[0];
}

engine::SequenceStep ScriptedSequence::Step(int32_t begin,
                                            int32_t end,
                                            engine::LogitsWanted logits) const {
  const size_t num_blocks = static_cast<size_t>((end + kBlockTokens - 1) / kBlockTokens);
  TRIPTYCH_CHECK(num_blocks <= blocks.size());
  return {.id = id,
          .first_position = begin,
          .tokens = {tokens.begin() + begin, tokens.begin() + end},
          .blocks = {blocks.begin(), blocks.begin() + static_cast<int64_t>(num_blocks)},
          .prompt_tokens = prompt_tokens,
          .adapter = adapter,
          .logits = logits};
}

at::Tensor ScriptedSequence::ImageRows(int32_t begin, int32_t end) const {
  const auto first = tokens.begin();
  const int64_t before = std::count(first, first + begin, kImageRow);
  const int64_t count = std::count(first + begin, first + end, kImageRow);
  return count == 0 ? at::Tensor() : image_rows.narrow(0, before, count);
}

at::Tensor RunInChunks(ModelCrew& model, const ScriptedSequence& sequence, int32_t chunk) {
  const int32_t size = static_cast<int32_t>(sequence.tokens.size());
  std::vector<at::Tensor> logits;
  for (int32_t begin = 0; begin < size; begin += chunk) {
    const int32_t end = std::min(size, begin + chunk);
    engine::StepPlan plan;
    plan.sequences.push_back(sequence.Step(begin, end, engine::LogitsWanted::kAll));
    logits.push_back(model.Forward(plan, sequence.ImageRows(begin, end)));
  }
  return at::cat(logits);
}

}  // namespace triptych::fakes
