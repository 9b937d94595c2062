#include <cstdio>
#include <memory>

#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/library_folder.h"
#include "common/json/json_config.h"
#include "common/model_card/image_header.h"
#include "common/picture_index/picture_index.h"
#include "common/picture_index/picture_metadata.h"
#include "nlohmann/json.hpp"

namespace triptych::cli {
namespace {

struct Flags {
  std::string root = LibraryRoot();
  std::string name;
  std::vector<std::string> paths;    // add
  std::string licence, source;       // add
  std::string text;                  // search
  int32_t count = 10;                // search
  std::vector<std::string> digests;  // remove
  bool json = false;
};

StatusOr<std::unique_ptr<PictureIndex>> Open(const Flags& flags, PictureIndex::Access access) {
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string folder, LibraryFolder(flags.root, flags.name));
  return PictureIndex::Open(folder, access);
}

// What no encoder could read does not come in.
Status Add(const Flags& flags) {
  TRIPTYCH_ASSIGN_OR_RETURN(const std::vector<DescribedPicture> pictures,
                            FindPictures(flags.paths, flags.licence, flags.source));
  if (pictures.empty()) return InvalidArgument("no pictures there");
  TRIPTYCH_ASSIGN_OR_RETURN(const std::unique_ptr<PictureIndex> index,
                            Open(flags, PictureIndex::Access::kWrite));
  size_t added = 0;
  for (const DescribedPicture& picture : pictures) {
    TRIPTYCH_ASSIGN_OR_RETURN(const std::string file, ReadTextFile(picture.path));
    const auto header = ReadImageHeader(
        {reinterpret_cast<const uint8_t*>(file.data()), file.size()}, RequestLimits{});
    if (!header.ok()) {
      fmt::print(stderr, "{}: left out: {}\n", picture.path, Message(header.status()));
      continue;
    }
    TRIPTYCH_RETURN_IF_ERROR(index->Add(file, picture.picture).status());
    ++added;
  }
  fmt::print("{} of {} pictures are in '{}' now\n", added, pictures.size(), flags.name);
  if (added < pictures.size())
    return InvalidArgument("{} files could not be read as pictures", pictures.size() - added);
  return OkStatus();
}

void Print(const std::vector<IndexedPicture>& pictures, bool json) {
  nlohmann::json list = nlohmann::json::array();
  for (const IndexedPicture& picture : pictures) {
    list.push_back({{"sha256", picture.sha256},
                    {"caption", picture.caption},
                    {"licence", picture.licence},
                    {"source", picture.source},
                    {"score", picture.score}});
    if (!json)
      fmt::print("{}  {}{}{}\n",
                 picture.sha256.substr(0, 12),
                 picture.caption,
                 picture.licence.empty() ? "" : "  ",
                 picture.licence);
  }
  if (json) fmt::print("{}\n", list.dump());
}

Status List(const Flags& flags) {
  TRIPTYCH_ASSIGN_OR_RETURN(const std::unique_ptr<PictureIndex> index,
                            Open(flags, PictureIndex::Access::kRead));
  TRIPTYCH_ASSIGN_OR_RETURN(const std::vector<IndexedPicture> pictures, index->List());
  Print(pictures, flags.json);
  return OkStatus();
}

Status Search(const Flags& flags) {
  TRIPTYCH_ASSIGN_OR_RETURN(const std::unique_ptr<PictureIndex> index,
                            Open(flags, PictureIndex::Access::kRead));
  TRIPTYCH_ASSIGN_OR_RETURN(const std::vector<IndexedPicture> pictures,
                            index->Search(flags.text, {}, flags.count));
  Print(pictures, flags.json);
  return OkStatus();
}

Status Remove(const Flags& flags) {
  TRIPTYCH_RETURN_IF_ERROR(Open(flags, PictureIndex::Access::kRead).status());
  TRIPTYCH_ASSIGN_OR_RETURN(const std::unique_ptr<PictureIndex> index,
                            Open(flags, PictureIndex::Access::kWrite));
  for (const std::string& digest : flags.digests) TRIPTYCH_RETURN_IF_ERROR(index->Remove(digest));
  return OkStatus();
}

}  // namespace

void AddLibrary(CLI::App& app, int* exit_status) {
  auto flags = std::make_shared<Flags>();
  CLI::App* const library =
      app.add_subcommand("library", "Picture libraries, which articles are illustrated from");
  library->require_subcommand(1);
  const auto command = [&](const char* name, const char* about, Status (*run)(const Flags&)) {
    CLI::App* const added = library->add_subcommand(name, about);
    added->add_option("NAME", flags->name, "The library's name")->required();
    added
        ->add_option("--root", flags->root, "Where the libraries are, each in a folder of its name")
        ->capture_default_str();
    added->callback([flags, run, exit_status, label = std::string("library ") + name] {
      *exit_status = Report(label.c_str(), run(*flags));
    });
    return added;
  };
  CLI::App* const add = command("add", "Takes pictures in; the first makes the library", Add);
  add->add_option("PATH",
                  flags->paths,
                  "Picture files, and folders of them. Captions, licences and sources come from "
                  "files beside them (.json, .txt) or metadata.jsonl")
      ->required();
  add->add_option("--licence", flags->licence, "Of the pictures that name none");
  add->add_option("--source", flags->source, "Of the pictures that name none");
  CLI::App* const list = command("list", "All pictures", List);
  CLI::App* const search = command("search", "The pictures that suit a text best", Search);
  search->add_option("TEXT", flags->text, "In any language")->required();
  search->add_option("-n,--count", flags->count, "At most so many")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  for (CLI::App* const shows : {list, search}) shows->add_flag("--json", flags->json, "Print JSON");
  command("remove", "Forgets pictures", Remove)
      ->add_option("DIGEST", flags->digests, "As `list` shows it: 8 digits at least")
      ->required();
}

}  // namespace triptych::cli
