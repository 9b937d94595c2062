#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>

#include "cli/client.h"
#include "cli/commands/commands.h"

namespace triptych::cli {
namespace {

struct Flags {
  std::string router = "127.0.0.1:7071";
  AccessFlags access;
  std::string model, instruction, library, language, out;
  std::vector<std::string> images;
  std::optional<uint32_t> max_images;
  std::optional<uint64_t> seed;
  uint32_t candidates = 0, max_new_tokens = 0;
  float temperature = 0, top_p = 0;
  double timeout_seconds = 0;
};

bool IsHtml(const std::string& path) { return path.ends_with(".html") || path.ends_with(".htm"); }

StatusOr<v1::ComposeRequest> MakeRequest(const Flags& flags) {
  v1::ComposeRequest request;
  request.set_model(flags.model);
  request.set_instruction(flags.instruction);
  if (flags.instruction == "-")
    request.set_instruction(std::string(std::istreambuf_iterator<char>(std::cin), {}));
  request.set_library(flags.library);
  request.set_language(flags.language);
  request.set_candidates(flags.candidates);
  request.set_max_new_tokens(flags.max_new_tokens);
  if (flags.max_images) request.set_max_images(*flags.max_images);
  if (flags.seed) request.mutable_sampling()->set_seed(*flags.seed);
  if (flags.temperature != 0) request.mutable_sampling()->set_temperature(flags.temperature);
  if (flags.top_p != 0) request.mutable_sampling()->set_top_p(flags.top_p);
  for (const std::string& path : flags.images) {
    TRIPTYCH_ASSIGN_OR_RETURN(*request.add_images(), ReadImageFile(path));
  }
  request.set_page(IsHtml(flags.out));
  request.set_pictures(!flags.out.empty() && !request.page());
  return request;
}

Status WriteFile(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  return out ? OkStatus() : InvalidArgument("{}: cannot be written", path.string());
}

// What comes of one article: shown as it is written, kept for the file.
class Article {
 public:
  void Take(const v1::ComposeEvent& event) {
    switch (event.event_case()) {
      case v1::ComposeEvent::kArticle:
        Show(event.article().text());
        break;
      case v1::ComposeEvent::kPlacement: {
        const v1::Placement& placement = event.placement();
        const std::string wish = placement.caption().empty() ? "one of yours" : placement.caption();
        fmt::print(
            stderr, "[a picture after paragraph {}: {}]\n", placement.after_paragraph() + 1, wish);
        break;
      }
      case v1::ComposeEvent::kIllustration: {
        const v1::Illustration& illustration = event.illustration();
        const std::string& description =
            illustration.candidates(static_cast<int>(illustration.chosen())).description();
        fmt::print(stderr,
                   "[chosen after paragraph {}: {} of {} candidates{}{}]\n",
                   illustration.after_paragraph() + 1,
                   illustration.chosen() + 1,
                   illustration.candidates_size(),
                   description.empty() ? "" : ", ",
                   description);
        break;
      }
      case v1::ComposeEvent::kPage:
        page_ += event.page().html();
        break;
      case v1::ComposeEvent::kPicture: {
        Picture& picture = pictures_[event.picture().image_sha256()];
        picture.media_type = event.picture().media_type();
        picture.file += event.picture().data();
        break;
      }
      case v1::ComposeEvent::kFinished:
        finished_ = event.finished();
        break;
      default:
        break;
    }
  }

  // The page, or the Markdown with its pictures in a folder beside it.
  Status Write(const std::string& out) const {
    std::fputc('\n', stdout);
    if (out.empty()) return OkStatus();
    if (IsHtml(out)) return WriteFile(out, page_);
    const std::filesystem::path path(out);
    const std::filesystem::path folder = path.parent_path() / (path.stem().string() + "_pictures");
    std::string markdown = finished_.markdown();
    if (!pictures_.empty()) std::filesystem::create_directories(folder);
    for (const auto& [digest, picture] : pictures_) {
      const std::string name =
          digest + "." + picture.media_type.substr(picture.media_type.find('/') + 1);
      TRIPTYCH_RETURN_IF_ERROR(WriteFile(folder / name, picture.file));
      for (const v1::Illustration& illustration : finished_.illustrations()) {
        if (illustration.image_sha256() != digest) continue;
        const std::string from = "](" + illustration.image_url() + ")",
                          to = "](" + (folder.filename() / name).string() + ")";
        for (size_t at = markdown.find(from); at != std::string::npos;
             at = markdown.find(from, at + to.size()))
          markdown.replace(at, from.size(), to);
      }
    }
    return WriteFile(path, markdown);
  }

 private:
  struct Picture {
    std::string media_type, file;
  };
  static void Show(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }
  std::string page_;
  std::map<std::string, Picture> pictures_;
  v1::ComposedArticle finished_;
};

Status Run(const Flags& flags) {
  TRIPTYCH_ASSIGN_OR_RETURN(const v1::ComposeRequest request, MakeRequest(flags));
  TRIPTYCH_ASSIGN_OR_RETURN(Access access, flags.access.Open());
  Article article;
  TRIPTYCH_RETURN_IF_ERROR(
      Client(flags.router, std::move(access))
          .Compose(request, flags.timeout_seconds, [&](const v1::ComposeEvent& event) {
            article.Take(event);
          }));
  return article.Write(flags.out);
}

}  // namespace

void AddCompose(CLI::App& app, int* exit_status) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand(
      "compose", "An article with pictures in it, from a title or an instruction");
  command
      ->add_option(
          "instruction", flags->instruction, "The title, or what to write; - reads it from stdin")
      ->required();
  command->add_option("--router", flags->router, "The router's gRPC address")
      ->capture_default_str();
  flags->access.AddToClient(*command);
  command->add_option("--model", flags->model, "The model's name; without it the router's default");
  command
      ->add_option(
          "--out",
          flags->out,
          "Where the article goes: .html holds its pictures, .md has them in a folder beside it")
      ->check([](const std::string& path) {
        return IsHtml(path) || path.ends_with(".md") ? "" : "must end with .html or .md";
      });
  command
      ->add_option(
          "--image", flags->images, "A picture file to use before the library's; repeatable")
      ->take_all()
      ->expected(1);
  command->add_option(
      "--library", flags->library, "The picture library's name; without it the router's default");
  command->add_option("--max-images",
                      flags->max_images,
                      "At most so many pictures; without it as many as the model likes, or one for every "
                      "second paragraph");
  command->add_option("--candidates",
                      flags->candidates,
                      "Pictures that the model may choose among at each place; 0: 4");
  command->add_option("--language",
                      flags->language,
                      "Of the article, as de or zh-Hans; without it the instruction's own");
  command->add_option(
      "--max-new-tokens", flags->max_new_tokens, "Of the text; 0: the model's published limit");
  command->add_option(
      "--temperature",
      flags->temperature,
      "Of the text's sampling; with none of these two flags the model's published settings");
  command->add_option("--top-p", flags->top_p, "Nucleus");
  command->add_option("--seed", flags->seed, "The same one gives the same article");
  command->add_option("--timeout", flags->timeout_seconds, "Seconds; 0: none")
      ->capture_default_str();
  command->callback([flags, exit_status] { *exit_status = Report("compose", Run(*flags)); });
}

}  // namespace triptych::cli
