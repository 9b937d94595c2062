#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "tests/fakes/rank_crew.h"
#include "worker/engine/step_plan.h"
#include "worker/model/model_runner.h"
#include "worker/quantization/scheme.h"

namespace triptych::fakes {

// A checkpoint loaded on all ranks of a crew, for tests that look at logits. A crew on CUDA has one
// rank.
class ModelCrew {
 public:
  static StatusOr<std::unique_ptr<ModelCrew>> Load(const std::string& model_dir,
                                                   int tensor_parallel,
                                                   int64_t num_blocks,
                                                   at::Device device = at::kCPU,
                                                   at::ScalarType dtype = at::kFloat,
                                                   const quantization::Scheme& wanted = {});

  // Logits [wanted, vocab] of a step; every rank has the same bits, or the test fails.
  at::Tensor Forward(const engine::StepPlan& plan, const at::Tensor& image_rows = {});

 private:
  explicit ModelCrew(int size) : crew_(size), runners_(static_cast<size_t>(size)) {}

  RankCrew crew_;
  std::vector<std::unique_ptr<model::ModelRunner>> runners_;
};

// One sequence for tests that plan steps themselves: all its tokens, and blocks enough for them.
struct ScriptedSequence {
  engine::SequenceId id = 1;
  std::vector<TokenId> tokens;  // the prompt, then what follows it
  int32_t prompt_tokens = 0;
  int32_t adapter = 0;
  at::Tensor image_rows;  // [images in tokens, hidden], or undefined
  std::vector<engine::BlockId> blocks;

  // The step that runs tokens [begin, end).
  engine::SequenceStep Step(int32_t begin, int32_t end, engine::LogitsWanted logits) const;
  // The picture rows of tokens [begin, end); undefined when there are none.
  at::Tensor ImageRows(int32_t begin, int32_t end) const;
};

// Logits [tokens, vocab] of a sequence run in chunks of `chunk` tokens.
at::Tensor RunInChunks(ModelCrew& model, const ScriptedSequence& sequence, int32_t chunk);

}  // namespace triptych::fakes
