#include "worker/weights/checkpoint_files.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <set>
#include <string_view>
#include <system_error>

#include "fmt/ranges.h"
#include "nlohmann/json.hpp"

namespace triptych::weights {
namespace {

constexpr std::uintmax_t kMaxIndexBytes = 64 << 20;

struct Layout {
  CheckpointFormat format;
  const char* single_file;
  const char* index_file;
  std::string_view extension;  // of shards
};

// In the order in which they are looked for.
constexpr std::array kLayouts = {
    Layout{CheckpointFormat::kSafetensors,
           "model.safetensors",
           "model.safetensors.index.json",
           ".safetensors"},
    Layout{CheckpointFormat::kTorch, "pytorch_model.bin", "pytorch_model.bin.index.json", ".bin"}};

bool Exists(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

// A file beside the index, nothing else: no folders, no way out of the checkpoint.
bool IsPlainName(const std::string& name, std::string_view extension) {
  return name.ends_with(extension) && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

StatusOr<nlohmann::json> ReadIndex(const std::string& path) {
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(path, error);
  if (error) return FailedPrecondition("{}: cannot read: {}", path, error.message());
  if (bytes > kMaxIndexBytes)
    return FailedPrecondition("{}: {} bytes, at most {} are allowed", path, bytes, kMaxIndexBytes);
  std::ifstream stream(path, std::ios::binary);
  nlohmann::json index = nlohmann::json::parse(stream, /*cb=*/nullptr, /*allow_exceptions=*/false);
  if (index.is_discarded()) return FailedPrecondition("{}: not valid JSON", path);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
    return FailedPrecondition("{}: has no object 'weight_map'", path);
  }
  return index;
}

StatusOr<CheckpointFiles> FilesOfIndex(const std::filesystem::path& dir, const Layout& layout) {
  const std::string path = dir / layout.index_file;
  TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json index, ReadIndex(path));
  CheckpointFiles files{.format = layout.format};
  std::set<std::string> shards;
  for (const auto& [tensor, file] : index["weight_map"].items()) {
    if (!file.is_string() || !IsPlainName(file.get<std::string>(), layout.extension)) {
      return FailedPrecondition("{}: tensor '{}': {} does not name a {} file of this folder",
                                path,
                                tensor,
                                file.dump(),
                                layout.extension);
    }
    const std::string shard = dir / file.get<std::string>();
    files.weight_map.emplace(tensor, shard);
    shards.insert(shard);
  }
  if (shards.empty()) return FailedPrecondition("{}: 'weight_map' is empty", path);
  files.paths.assign(shards.begin(), shards.end());
  for (const std::string& shard : files.paths) {
    if (!Exists(shard)) return FailedPrecondition("{}: shard {} is missing", path, shard);
  }
  return files;
}

// AutoGPTQ names the one file that it writes by bits and groups: gptq_model-4bit-128g.
constexpr std::string_view kGptqBegin = "gptq_model-";

StatusOr<std::vector<std::string>> FindGptqFile(const std::filesystem::path& dir,
                                                const Layout& layout) {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(dir, ignored)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(kGptqBegin) && name.ends_with(layout.extension)) {
      found.push_back(entry.path());
    }
  }
  if (found.size() < 2) return found;
  std::sort(found.begin(), found.end());
  return FailedPrecondition("{} and {}: which of them is the checkpoint?", found[0], found[1]);
}

}  // namespace

StatusOr<CheckpointFiles> FindCheckpointFiles(const std::string& dir, CheckpointFormat format) {
  const std::filesystem::path folder(dir);
  std::vector<std::string> wanted;
  for (const Layout& layout : kLayouts) {
    if (format != CheckpointFormat::kAny && format != layout.format) continue;
    if (Exists(folder / layout.single_file))
      return CheckpointFiles{.format = layout.format, .paths = {folder / layout.single_file}};
    if (Exists(folder / layout.index_file)) return FilesOfIndex(folder, layout);
    TRIPTYCH_ASSIGN_OR_RETURN(std::vector<std::string> gptq, FindGptqFile(folder, layout));
    if (!gptq.empty()) return CheckpointFiles{.format = layout.format, .paths = std::move(gptq)};
    wanted.insert(wanted.end(),
                  {layout.single_file,
                   layout.index_file,
                   fmt::format("{}*{}", kGptqBegin, layout.extension)});
  }
  return FailedPrecondition("{}: has none of {}", dir, fmt::join(wanted, ", "));
}

}  // namespace triptych::weights
