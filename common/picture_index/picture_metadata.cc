#include "common/picture_index/picture_metadata.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <sstream>

#include "common/json/json_config.h"
#include "common/text_file.h"
#include "common/tokenizer/utf8.h"
#include "fmt/ranges.h"

namespace triptych {
namespace {

namespace fs = std::filesystem;
using Words = IndexedPicture;  // caption, licence, source alone

constexpr std::array<std::string_view, 6> kExtensions = {
    "png", "jpg", "jpeg", "webp", "gif", "bmp"};

std::string ExtensionOf(const fs::path& path) {
  std::string extension = path.extension().string();
  if (!extension.empty()) extension.erase(0, 1);
  std::ranges::transform(extension, extension.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  return extension;
}

std::string TextOf(const nlohmann::json& object, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const auto found = object.find(key);
    if (found != object.end() && found->is_string()) return found->get<std::string>();
  }
  return {};
}

Words WordsOf(const nlohmann::json& object) {
  return {.caption = TextOf(object, {"caption", "text"}),
          .licence = TextOf(object, {"licence", "license"}),
          .source = TextOf(object, {"source"})};
}

StatusOr<nlohmann::json> ParseObject(const std::string& text, const std::string& name) {
  auto object = ParseJsonObject(text, name);
  if (!object.ok()) return InvalidArgument("{}", Message(object.status()));
  return object;
}

// A folder's metadata.jsonl, by file name; empty where there is none.
StatusOr<std::map<std::string, Words>> ReadTable(const fs::path& folder) {
  std::map<std::string, Words> table;
  const fs::path path = folder / "metadata.jsonl";
  if (!fs::exists(path)) return table;
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path.string()));
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json object,
                              ParseObject(line, fmt::format("{}:{}", path.string(), number)));
    const std::string name = TextOf(object, {"file_name"});
    if (name.empty())
      return InvalidArgument("{}:{}: file_name: it is not given", path.string(), number);
    table[name] = WordsOf(object);
  }
  return table;
}

std::string Trimmed(std::string text) {
  const size_t end = text.find_last_not_of(" \t\r\n");
  text.erase(end == std::string::npos ? 0 : end + 1);
  return text;
}

StatusOr<Words> Describe(const fs::path& path, const std::map<std::string, Words>& table) {
  Words words;
  if (const auto row = table.find(path.filename().string()); row != table.end())
    words = row->second;
  if (const fs::path beside = fs::path(path).replace_extension(".txt"); fs::exists(beside)) {
    TRIPTYCH_ASSIGN_OR_RETURN(std::string text, ReadTextFile(beside.string()));
    words.caption = Trimmed(std::move(text));
  }
  if (const fs::path beside = fs::path(path).replace_extension(".json"); fs::exists(beside)) {
    TRIPTYCH_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(beside.string()));
    TRIPTYCH_ASSIGN_OR_RETURN(const nlohmann::json object, ParseObject(text, beside.string()));
    const Words own = WordsOf(object);
    if (!own.caption.empty()) words.caption = own.caption;
    if (!own.licence.empty()) words.licence = own.licence;
    if (!own.source.empty()) words.source = own.source;
  }
  if (words.caption.empty()) {
    words.caption = path.stem().string();
    std::ranges::replace_if(
        words.caption, [](char c) { return c == '_' || c == '-'; }, ' ');
  }
  for (const std::string* text : {&words.caption, &words.licence, &words.source}) {
    if (!IsValidUtf8(*text))
      return InvalidArgument("{}: its caption, licence or source is not valid UTF-8",
                             path.string());
  }
  return words;
}

}  // namespace

StatusOr<std::vector<DescribedPicture>> FindPictures(const std::vector<std::string>& paths,
                                                     const std::string& licence,
                                                     const std::string& source) {
  const auto is_picture = [](const fs::path& path) {
    return std::ranges::find(kExtensions, ExtensionOf(path)) != kExtensions.end();
  };
  std::vector<fs::path> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (fs::is_directory(path, error)) {
      std::vector<fs::path> inside;
      for (fs::recursive_directory_iterator at(path, error), end; !error && at != end;
           at.increment(error)) {
        if (at->is_regular_file() && is_picture(at->path())) inside.push_back(at->path());
      }
      if (error) return InvalidArgument("{}: {}", path, error.message());
      std::ranges::sort(inside);
      files.insert(files.end(), inside.begin(), inside.end());
    } else if (!fs::exists(path, error)) {
      return InvalidArgument("{}: there is no such file or folder", path);
    } else if (!is_picture(path)) {
      return InvalidArgument(
          "{}: a picture's name ends with one of {}", path, fmt::join(kExtensions, ", "));
    } else {
      files.emplace_back(path);
    }
  }
  std::map<fs::path, std::map<std::string, Words>> tables;
  std::vector<DescribedPicture> pictures;
  for (const fs::path& file : files) {
    const fs::path folder = file.parent_path();
    if (!tables.contains(folder)) {
      TRIPTYCH_ASSIGN_OR_RETURN(tables[folder], ReadTable(folder));
    }
    TRIPTYCH_ASSIGN_OR_RETURN(IndexedPicture picture, Describe(file, tables[folder]));
    picture.extension = ExtensionOf(file);
    if (picture.licence.empty()) picture.licence = licence;
    if (picture.source.empty()) picture.source = source;
    pictures.push_back({file.string(), std::move(picture)});
  }
  return pictures;
}

}  // namespace triptych
