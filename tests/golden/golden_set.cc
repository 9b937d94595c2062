#include "tests/golden/golden_set.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>

#include <ATen/ops/cat.h>

#include "common/check.h"
#include "common/model_card/internlm_xcomposer2/adapters.h"
#include "common/model_card/internlm_xcomposer2/config.h"
#include "worker/weights/safetensors_file.h"

namespace triptych::golden {
namespace {

// Empty where the folder has no config.json that names one.
std::string ModelType(const std::string& folder) {
  std::ifstream stream(folder + "/config.json");
  const nlohmann::json config = nlohmann::json::parse(stream, nullptr, /*allow_exceptions=*/false);
  return config.is_object() ? config.value("model_type", "") : "";
}

std::vector<std::string> CandidateFolders() {
  std::vector<std::string> folders;
  if (const char* list = std::getenv("TRIPTYCH_GOLDEN"); list != nullptr) {
    std::istringstream stream(list);
    for (std::string folder; std::getline(stream, folder, ':');) folders.push_back(folder);
    return folders;
  }
  for (const auto& entry : std::filesystem::directory_iterator(TRIPTYCH_TEST_DATA "/golden")) {
    if (entry.is_directory()) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

std::vector<TokenId> ToIds(const at::Tensor& tensor) {
  const at::Tensor ids = tensor.to(at::kLong).contiguous();
  const int64_t* values = ids.const_data_ptr<int64_t>();
  return {values, values + ids.numel()};
}

StatusOr<GoldenCase> ReadCase(const weights::TensorFile& file) {
  GoldenCase golden{.name = std::filesystem::path(file.path()).stem()};
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor input_ids, file.Read("input_ids"));
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor greedy_ids, file.Read("greedy_ids"));
  TRIPTYCH_ASSIGN_OR_RETURN(golden.logits, file.Read("logits"));
  golden.prompt.tokens = ToIds(input_ids);
  golden.prompt.prompt_tokens = static_cast<int32_t>(golden.prompt.tokens.size());
  golden.greedy_ids = ToIds(greedy_ids);
  std::vector<at::Tensor> pictures;
  for (std::string name; !(name = ImageRowsName(file, pictures.size())).empty();) {
    TRIPTYCH_ASSIGN_OR_RETURN(at::Tensor rows, file.Read(name));
    pictures.push_back(std::move(rows));
  }
  if (!pictures.empty()) golden.prompt.image_rows = at::cat(pictures);
  const size_t total = golden.prompt.tokens.size() + golden.greedy_ids.size();
  golden.prompt.blocks.resize((total + kBlockTokens - 1) / kBlockTokens);
  std::iota(golden.prompt.blocks.begin(), golden.prompt.blocks.end(), 0);
  return golden;
}

int32_t AdapterOf(const std::string& name) {
  const auto& names = internlm_xcomposer2::kAdapters;
  const auto found = std::find(names.begin(), names.end(), name);
  TRIPTYCH_CHECK(found != names.end());
  return static_cast<int32_t>(found - names.begin());
}

// How the case was run, and what generate() gave (a leading BOS, then new tokens), from the set's manifest.
void ReadManifest(const nlohmann::json& manifest, GoldenCase& golden) {
  for (const nlohmann::json& entry : manifest.value("cases", nlohmann::json::array())) {
    if (entry.value("id", "") != golden.name) continue;
    golden.adapter = AdapterOf(entry.value("infer_mode", "base"));
    golden.prompt.adapter = golden.adapter;
    golden.max_tiles.assign(entry["images"].size(), MaxTilesOf(entry));
    const nlohmann::json generate = entry.value("generate", nlohmann::json::object());
    if (!generate.contains("greedy_rep")) continue;
    golden.repetition_penalty = generate["greedy_rep"]["repetition_penalty"];
    golden.penalized_ids = generate["greedy_rep"]["ids"].get<std::vector<TokenId>>();
    golden.penalized_ids.erase(golden.penalized_ids.begin());
    golden.penalty_sees_prompt = manifest.value("penalty_sees_prompt", false);
  }
}

}  // namespace

int32_t MaxTilesOf(const nlohmann::json& entry) {
  const nlohmann::json hd_num = entry.value("hd_num_used", nlohmann::json());
  return hd_num.is_null() ? 0 : hd_num.get<int32_t>();
}

std::vector<std::string> GoldenFolders(const std::vector<std::string>& model_types) {
  std::vector<std::string> folders;
  for (const std::string& folder : CandidateFolders()) {
    if (std::ranges::find(model_types, ModelType(folder)) != model_types.end()) folders.push_back(folder);
  }
  return folders;
}

bool IsPlain(const std::string& folder) {
  if (ModelType(folder) != "internlmxcomposer2") return true;
  const auto config = internlm_xcomposer2::LoadConfig(folder);
  TRIPTYCH_CHECK(config.ok());
  return !config->tiles();
}

std::string ImageRowsName(const weights::TensorFile& file, size_t picture) {
  for (const char* kind : {"image_rows", "proj_out"}) {
    std::string name = fmt::format("{}{}", kind, picture);
    if (file.Find(name) != nullptr) return name;
  }
  return "";
}

StatusOr<std::vector<GoldenCase>> LoadGoldenCases(const std::string& folder) {
  std::ifstream stream(folder + "/manifest.json");
  const nlohmann::json manifest =
      nlohmann::json::parse(stream, /*cb=*/nullptr, /*allow_exceptions=*/false);
  if (!manifest.is_object()) return FailedPrecondition("{}: manifest.json is not readable", folder);
  std::vector<GoldenCase> cases;
  for (const auto& entry : std::filesystem::directory_iterator(folder + "/cases")) {
    if (entry.path().extension() != ".safetensors") continue;
    TRIPTYCH_ASSIGN_OR_RETURN(const auto file, weights::OpenSafetensors(entry.path()));
    if (file.Find("input_ids") == nullptr) continue;
    TRIPTYCH_ASSIGN_OR_RETURN(GoldenCase golden, ReadCase(file));
    ReadManifest(manifest, golden);
    cases.push_back(std::move(golden));
  }
  std::sort(
      cases.begin(), cases.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return cases;
}

}  // namespace triptych::golden
