#include "common/model_card/checkpoint_outline.h"

#include <cstring>
#include <filesystem>
#include <fstream>

#include "common/json/json_config.h"
#include "common/text_file.h"

namespace triptych {
namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit

// A safetensors file begins with the length of its header, 8 bytes little-endian, and the header, a JSON object.
StatusOr<nlohmann::json> ReadHeader(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  uint64_t size = 0;
  char bytes[8] = {};
  in.read(bytes, sizeof(bytes));
  for (int i = 0; i < 8; ++i) size |= static_cast<uint64_t>(static_cast<uint8_t>(bytes[i])) << 8 * i;
  if (!in || size > kMaxHeaderBytes) return FailedPrecondition("{}: it is no safetensors file: its header cannot be read", path);
  std::string text(size, '\0');
  if (!in.read(text.data(), static_cast<std::streamsize>(size))) return FailedPrecondition("{}: its header is cut short", path);
  return ParseJsonObject(text, path);
}

StatusOr<nlohmann::json> ReadWeightMap(const std::string& path) {
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  TRIPTYCH_ASSIGN_OR_RETURN(nlohmann::json index, ParseJsonObject(text, path));
  const auto map = index.find("weight_map");
  if (map == index.end() || !map->is_object()) return FailedPrecondition("{}: weight_map: it is missing or not an object", path);
  for (const auto& [name, file] : map->items()) {
    if (!file.is_string()) return FailedPrecondition("{}: weight_map: the file of '{}' is not a text", path, name);
  }
  return nlohmann::json(*map);
}

}  // namespace

StatusOr<CheckpointOutline> CheckpointOutline::Read(const std::string& model_dir) {
  CheckpointOutline outline;
  if (const std::string path = model_dir + "/model.safetensors"; std::filesystem::exists(path)) {
    TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json header, ReadHeader(path));
    for (const auto& [name, entry] : header.items()) outline.file_of_[name] = path;
    return outline;
  }
  for (const char* index : {"/model.safetensors.index.json", "/pytorch_model.bin.index.json"}) {
    if (!std::filesystem::exists(model_dir + index)) continue;
    TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json map, ReadWeightMap(model_dir + index));
    for (const auto& [name, file] : map.items()) outline.file_of_[name] = model_dir + "/" + file.get<std::string>();
    return outline;
  }
  return outline;
}

StatusOr<int64_t> CheckpointOutline::Rows(std::string_view name) const {
  const auto file = file_of_.find(name);
  if (file == file_of_.end() || !file->second.ends_with(".safetensors") || !std::filesystem::exists(file->second)) return 0;
  TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json header, ReadHeader(file->second));
  const auto entry = header.find(std::string(name));
  if (entry == header.end() || !entry->is_object() || !entry->contains("shape")) return 0;
  const nlohmann::json& shape = (*entry)["shape"];
  return shape.is_array() && !shape.empty() && shape[0].is_number_integer() ? shape[0].get<int64_t>() : 0;
}

}  // namespace triptych
