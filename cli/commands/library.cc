#include <algorithm>
#include <cstdio>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "cli/access.h"
#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/library_folder.h"
#include "common/json/json_config.h"
#include "common/model_card/image_header.h"
#include "common/picture_index/caption_words.h"
#include "common/picture_index/picture_index.h"
#include "common/picture_index/picture_metadata.h"
#include "common/text_file.h"
#include "nlohmann/json.hpp"

namespace triptych::cli {
namespace {

struct Flags {
  std::string root = LibraryRoot();
  std::string name;
  std::vector<std::string> paths;    // add
  std::string licence, source;       // add
  std::vector<std::string> texts;    // search
  int32_t count = 10;                // search
  std::vector<std::string> digests;  // remove
  bool json = false;
  std::string router;                // add, search: empty: no vectors
  AccessFlags access;                // the router's
  std::string model;                 // the router's
  bool again = false;                // embed
  std::string by;                    // search: words, vectors, both
};

StatusOr<std::unique_ptr<PictureIndex>> Open(const Flags& flags, PictureIndex::Access access) {
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string folder, LibraryFolder(flags.root, flags.name));
  return PictureIndex::Open(folder, access);
}

constexpr size_t kTextsAtOnce = 64;

// The next kTextsAtOnce of `all`, or what is left.
template <typename Item>
std::vector<Item> Part(const std::vector<Item>& all, size_t begin) {
  return {all.begin() + begin, all.begin() + std::min(begin + kTextsAtOnce, all.size())};
}

// The texts' vectors, by the router's model; kTextsAtOnce at most. A text without words gets that of itself.
StatusOr<std::vector<TextVector>> Embed(Client& client,
                                        const Flags& flags,
                                        const std::vector<std::string>& texts) {
  v1::EmbedRequest request;
  request.set_model(flags.model);
  for (const std::string& text : texts) {
    const std::string words = VectorWords(text);
    request.add_texts(words.empty() ? " " + text : words);
  }
  auto response = client.Embed(request);
  if (!response.ok()) return WithContext(fmt::format("router {}", flags.router), response.status());
  if (std::cmp_not_equal(response->vectors_size(), texts.size()))
    return Internal("the router gave {} vectors of {} texts", response->vectors_size(), texts.size());
  std::vector<TextVector> vectors;
  for (const v1::TextVector& vector : response->vectors())
    vectors.push_back({response->space(), {vector.values().begin(), vector.values().end()}});
  return vectors;
}

// The same of any number of texts.
StatusOr<std::vector<TextVector>> EmbedAll(const Flags& flags, const std::vector<std::string>& texts) {
  TRIPTYCH_ASSIGN_OR_RETURN(Access access, flags.access.Open());
  Client client(flags.router, std::move(access));
  std::vector<TextVector> all;
  for (size_t begin = 0; begin < texts.size(); begin += kTextsAtOnce) {
    TRIPTYCH_ASSIGN_OR_RETURN(std::vector<TextVector> vectors, Embed(client, flags, Part(texts, begin)));
    std::ranges::move(vectors, std::back_inserter(all));
  }
  return all;
}

// Gives vectors to those pictures of a library that have none of this model's.
Status EmbedMissing(const Flags& flags, PictureIndex& index) {
  TRIPTYCH_ASSIGN_OR_RETURN(std::vector<IndexedPicture> pictures, index.List());
  if (pictures.empty()) return OkStatus();
  const size_t all = pictures.size();
  TRIPTYCH_ASSIGN_OR_RETURN(Access access, flags.access.Open());
  Client client(flags.router, std::move(access));
  if (!flags.again) {
    TRIPTYCH_ASSIGN_OR_RETURN(const auto first, Embed(client, flags, {pictures[0].caption}));
    TRIPTYCH_ASSIGN_OR_RETURN(pictures, index.ListWithout(first[0]));
  }
  for (size_t begin = 0; begin < pictures.size(); begin += kTextsAtOnce) {
    const std::vector<IndexedPicture> batch = Part(pictures, begin);
    std::vector<std::string> captions;
    for (const IndexedPicture& picture : batch) captions.push_back(picture.caption);
    TRIPTYCH_ASSIGN_OR_RETURN(const auto vectors, Embed(client, flags, captions));
    TRIPTYCH_RETURN_IF_ERROR(index.PutVectors(batch, vectors));
  }
  fmt::print("{} of {} pictures in '{}' got vectors\n", pictures.size(), all, flags.name);
  return OkStatus();
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
  if (!flags.router.empty()) TRIPTYCH_RETURN_IF_ERROR(EmbedMissing(flags, *index));
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

StatusOr<std::vector<IndexedPicture>> SearchOne(const Flags& flags,
                                                PictureIndex& index,
                                                const std::string& text,
                                                const TextVector* vector) {
  if (vector == nullptr) return index.Search(text, {}, flags.count);
  if (flags.by == "vectors") return index.Search(*vector, {}, flags.count);
  return index.Search(text, *vector, {}, flags.count);
}

Status Search(const Flags& flags) {
  const bool by_words = flags.by == "words" || (flags.by.empty() && flags.router.empty());
  if (!by_words && flags.router.empty())
    return InvalidArgument("--by {}: it needs --router, whose model makes the text's vector", flags.by);
  TRIPTYCH_ASSIGN_OR_RETURN(const std::unique_ptr<PictureIndex> index,
                            Open(flags, PictureIndex::Access::kRead));
  std::vector<TextVector> vectors;
  if (!by_words) {
    TRIPTYCH_ASSIGN_OR_RETURN(vectors, EmbedAll(flags, flags.texts));
  }
  for (size_t i = 0; i < flags.texts.size(); ++i) {
    const std::string& text = flags.texts[i];
    TRIPTYCH_ASSIGN_OR_RETURN(const std::vector<IndexedPicture> pictures,
                              SearchOne(flags, *index, text, by_words ? nullptr : &vectors[i]));
    if (flags.texts.size() > 1 && !flags.json) fmt::print("{}:\n", text);
    Print(pictures, flags.json);
  }
  return OkStatus();
}

// Fills in what `add` left out, or what another model needs.
Status EmbedLibrary(const Flags& given) {
  Flags flags = given;
  if (flags.router.empty()) flags.router = "127.0.0.1:7071";
  TRIPTYCH_RETURN_IF_ERROR(Open(flags, PictureIndex::Access::kRead).status());
  TRIPTYCH_ASSIGN_OR_RETURN(const std::unique_ptr<PictureIndex> index,
                            Open(flags, PictureIndex::Access::kWrite));
  return EmbedMissing(flags, *index);
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
  search->add_option("TEXT", flags->texts, "In any language; several: one search each")->required();
  search
      ->add_option("--by",
                   flags->by,
                   "What is compared: words, vectors or both (default both with --router, else words)")
      ->check(CLI::IsMember({"words", "vectors", "both"}));
  CLI::App* const embed = command(
      "embed", "Gives captions their vectors by a model, where they have none of it yet", EmbedLibrary);
  embed->add_flag("--again", flags->again, "Also where they have: what is damaged becomes whole");
  embed->add_option("--router", flags->router, "The router's gRPC address (default 127.0.0.1:7071)");
  add->add_option("--router",
                  flags->router,
                  "A router's gRPC address: its model makes the captions' vectors. Without it "
                  "`library embed` makes them later");
  search->add_option("--router", flags->router, "A router's gRPC address: its model makes the text's vector");
  for (CLI::App* const asks : {add, embed, search}) {
    asks->add_option("--model", flags->model, "The model's name; without it the router's default");
    flags->access.AddToClient(*asks);
  }
  search->add_option("-n,--count", flags->count, "At most so many")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  for (CLI::App* const shows : {list, search}) shows->add_flag("--json", flags->json, "Print JSON");
  command("remove", "Forgets pictures", Remove)
      ->add_option("DIGEST", flags->digests, "As `list` shows it: 8 digits at least")
      ->required();
}

}  // namespace triptych::cli
