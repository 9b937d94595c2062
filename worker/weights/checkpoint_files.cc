#include "worker/weights/checkpoint_files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <system_error>

#include "nlohmann/json.hpp"

namespace triptych::weights {
namespace {

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";
constexpr std::uintmax_t kMaxIndexBytes = 64 << 20;

bool Exists(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

// A file beside the index, nothing else: no folders, no way out of the checkpoint.
bool IsPlainName(const std::string& name) {
  return name.ends_with(".safetensors") && name.find('/') == std::string::npos &&
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

StatusOr<CheckpointFiles> FilesOfIndex(const std::filesystem::path& dir) {
  const std::string path = dir / kIndexFile;
  TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json index, ReadIndex(path));
  CheckpointFiles files;
  std::set<std::string> shards;
  for (const auto& [tensor, file] : index["weight_map"].items()) {
    if (!file.is_string() || !IsPlainName(file.get<std::string>())) {
      return FailedPrecondition(
          "{}: tensor '{}': {} does not name a .safetensors file of this folder",
          path,
          tensor,
          file.dump());
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

bool HoldsTorchArchive(const std::filesystem::path& dir) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(dir, error)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("pytorch_model") &&
        (name.ends_with(".bin") || name.ends_with(".bin.index.json")))
      return true;
  }
  return false;
}

}  // namespace

StatusOr<CheckpointFiles> FindCheckpointFiles(const std::string& dir) {
  const std::filesystem::path folder(dir);
  if (Exists(folder / kSingleFile)) return CheckpointFiles{.paths = {folder / kSingleFile}};
  if (Exists(folder / kIndexFile)) return FilesOfIndex(folder);
  if (HoldsTorchArchive(folder)) {
    return FailedPrecondition(
        "{}: holds torch archives (.bin), which are not read: {} or {} is wanted",
        dir,
        kSingleFile,
        kIndexFile);
  }
  return FailedPrecondition("{}: has neither {} nor {}", dir, kSingleFile, kIndexFile);
}

}  // namespace triptych::weights
