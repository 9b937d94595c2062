#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "nlohmann/json.hpp"
#include "tests/fakes/model_crew.h"
#include "worker/weights/tensor_file.h"

namespace triptych::golden {

// One case of a golden set as the language model sees it: the reference's projector rows as
// pictures.
struct GoldenCase {
  std::string name;
  int32_t adapter = 0;              // its place among the model card's
  std::vector<int32_t> max_tiles;   // of its pictures
  fakes::ScriptedSequence prompt;   // with blocks for the greedy tokens too
  at::Tensor logits;                // [prompt, vocab] float32
  std::vector<TokenId> greedy_ids;  // the 32 that follow
  // transformers' generate() with a repetition penalty that sees the output and, before it, the
  // prompt's text or BOS alone.
  float repetition_penalty = 1;
  bool penalty_sees_prompt = false;
  std::vector<TokenId> penalized_ids;
};

// Of a set that is tried in every way: the plain one. Others are tried in fewer, as their prompts are long.
bool IsPlain(const std::string& folder);

// The max_tiles of the pictures of a case, by its entry in the manifest.
int32_t MaxTilesOf(const nlohmann::json& entry);

// Folders of golden sets of some model_types: those in TRIPTYCH_GOLDEN (separated by colons) when it
// is set, else those in tests/golden.
std::vector<std::string> GoldenFolders(const std::vector<std::string>& model_types);

// The tensor of a case that has a picture's rows as the language model gets them: what the projector gave, or that with a family's own rows around
// it. Empty: the case has no such picture.
std::string ImageRowsName(const weights::TensorFile& file, size_t picture);

StatusOr<std::vector<GoldenCase>> LoadGoldenCases(const std::string& folder);

}  // namespace triptych::golden
