#include "router/compose/picture_chooser.h"

#include <algorithm>
#include <cstdlib>

#include "common/log/log.h"
#include "common/status_reason.h"
#include "router/prepared_prompt.h"

namespace triptych::router {
namespace {

// Which of a call's pictures an error is about, if it is about one.
std::optional<size_t> PictureIn(const Status& status) {
  constexpr std::string_view kField = "prompt.images[";
  const std::string field = FieldOf(status);
  if (status.code() != StatusCode::kInvalidArgument || !field.starts_with(kField))
    return std::nullopt;
  return std::strtoul(field.c_str() + kField.size(), nullptr, 10);
}

}  // namespace

Task<StatusOr<std::optional<ChosenPicture>>> PictureChooser::ChooseFor(
    std::shared_ptr<PictureChooser> self, Place place) {
  auto candidates = std::make_shared<Candidates>();
  Task<Candidates> find = FindCandidates(self, place);
  Candidates found = co_await std::move(find);
  *candidates = std::move(found);
  if (self->caller_->cancelled()) co_return Cancelled("the client is gone or has cancelled");
  if (candidates->empty()) co_return std::optional<ChosenPicture>();
  Task<StatusOr<size_t>> choose = Choose(self, place, candidates);
  const StatusOr<size_t> index = co_await std::move(choose);
  if (!index.ok()) co_return index.status();
  const Candidate& winner = (*candidates)[*index];
  if (winner.own) {
    self->used_own_.insert(*winner.own);
  } else {
    self->used_library_.insert(winner.words.id);
  }
  self->placed_.emplace_back(place.paragraph, winner.picture);
  co_return std::optional(ChosenPicture{std::move(*candidates), *index});
}

PictureChooser::Candidates PictureChooser::OwnCandidates() const {
  const size_t most = std::min<size_t>(ChoiceContext::kMaxCandidates, context_.limits.max_images);
  Candidates candidates;
  for (size_t i = 0; i < request_.own_pictures.size() && candidates.size() < most; ++i) {
    if (!used_own_.contains(i))
      candidates.push_back({.picture = request_.own_pictures[i], .own = i});
  }
  return candidates;
}

// What the caption finds; if that is nothing, what the paragraph does, or the instruction. A
// library that fails costs the article pictures, not its life.
Task<PictureChooser::Candidates> PictureChooser::FindCandidates(
    std::shared_ptr<PictureChooser> self, Place place) {
  if (place.own) co_return self->OwnCandidates();
  const TimePoint begin = std::chrono::steady_clock::now();
  Candidates candidates;
  const std::vector<std::string> words = {
      place.caption, self->paragraphs_[place.paragraph], self->request_.instruction};
  for (size_t i = 0; i < words.size() && candidates.empty() && !self->caller_->cancelled(); ++i) {
    PictureQuery query{.caption = words[i],
                       .model = self->request_.model,
                       .exclude = self->used_library_,
                       .count = self->request_.num_candidates,
                       .deadline = self->caller_->deadline()};
    Task<StatusOr<std::vector<LibraryPicture>>> search =
        self->request_.library->Search(std::move(query));
    StatusOr<std::vector<LibraryPicture>> found = co_await std::move(search);
    if (!found.ok()) {
      self->context_.metrics->LibrarySearched(Metrics::Search::kFailed);
      spdlog::warn("article {}: the picture library fails: {}",
                   LogId(self->request_.id),
                   Message(found.status()));
      break;
    }
    self->context_.metrics->LibrarySearched(found->empty() ? Metrics::Search::kEmpty
                                                           : Metrics::Search::kFound);
    candidates = self->Read(*std::move(found));
  }
  self->clock_.Searched(std::chrono::steady_clock::now() - begin);
  co_return candidates;
}

// A file that is no picture is left out.
PictureChooser::Candidates PictureChooser::Read(std::vector<LibraryPicture> found) const {
  Candidates candidates;
  for (LibraryPicture& picture : found) {
    StatusOr<StoredImage> image = ReadImage(*picture.file, context_.limits);
    if (!image.ok()) {
      spdlog::warn("article {}: a picture of the library is left out: {}",
                   LogId(request_.id),
                   Message(image.status()));
      continue;
    }
    picture.file.reset();
    candidates.push_back({.picture = {.image = *std::move(image)}, .words = std::move(picture)});
  }
  return candidates;
}

// The paragraphs up to the place, a line break behind each, cut behind every earlier picture.
std::vector<std::string> PictureChooser::PiecesBefore(const Place& place) const {
  std::vector<std::string> pieces(1);
  auto earlier = placed_.begin();
  for (int32_t i = 0; i <= place.paragraph; ++i) {
    pieces.back() += paragraphs_[i] + "\n";
    for (; earlier != placed_.end() && earlier->first == i; ++earlier) pieces.emplace_back();
  }
  return pieces;
}

// All of its pictures are in its prompt. What does not fit is left out: first the article's
// beginning with its pictures, then the last candidates.
ModelCaller::Call PictureChooser::ChoiceCall(const Place& place, Candidates& candidates) const {
  ModelCaller::Call call{.name = fmt::format("choice-{}", place.paragraph),
                         .settings = prompts_.SettingsOf(Stage::kChoice)};
  ChoiceContext context{.paragraph = paragraphs_[place.paragraph], .caption = place.caption};
  std::vector<StagePicture> earlier;
  if (prompts_.choice_shows_article()) {
    context.pieces = PiecesBefore(place);
    for (const auto& [paragraph, picture] : placed_) earlier.push_back(picture);
  }
  const auto most = static_cast<size_t>(context_.limits.max_images);
  while (true) {
    call.pictures = earlier;
    for (const Candidate& candidate : candidates) call.pictures.push_back(candidate.picture);
    context.num_candidates = static_cast<int32_t>(candidates.size());
    call.prompt = prompts_.ForChoice(context);
    if (candidates.size() <= 1 ||
        (call.pictures.size() <= most && caller_->Fits(call.prompt, call.pictures, call.settings)))
      break;
    if (!earlier.empty()) {
      earlier.erase(earlier.begin());
      context.pieces.erase(context.pieces.begin());
    } else if (!context.pieces.empty() &&
               context.pieces.front().size() > context.paragraph.size() + 1) {
      context.pieces.front() = context.paragraph + "\n";
    } else {
      candidates.pop_back();
    }
  }
  for (int32_t i = 0; i < context.num_candidates; ++i) {
    for (std::string& choice : prompts_.ChoicesFor(i)) call.choices.push_back(std::move(choice));
  }
  return call;
}

// A picture of the library that the model cannot be shown is no candidate any more. A model that
// sees nothing gets the first.
Task<StatusOr<size_t>> PictureChooser::Choose(std::shared_ptr<PictureChooser> self,
                                              Place place,
                                              std::shared_ptr<Candidates> candidates) {
  while (candidates->size() > 1 && self->request_.card->accepts_images()) {
    ModelCaller::Call call = self->ChoiceCall(place, *candidates);
    if (candidates->size() <= 1) break;
    const size_t num_earlier = call.pictures.size() - candidates->size();
    Task<StatusOr<ModelCaller::Answer>> run = ModelCaller::Run(self->caller_, std::move(call));
    const StatusOr<ModelCaller::Answer> answer = co_await std::move(run);
    if (answer.ok()) {
      self->clock_.Waited(answer->timings);
      co_return static_cast<size_t>(
          ParseChoice(answer->text, static_cast<int32_t>(candidates->size())));
    }
    const std::optional<size_t> bad = PictureIn(answer.status());
    if (!bad || *bad < num_earlier || *bad - num_earlier >= candidates->size())
      co_return answer.status();
    const auto culprit = candidates->begin() + static_cast<std::ptrdiff_t>(*bad - num_earlier);
    if (culprit->own) co_return answer.status();
    spdlog::warn("article {}: a picture of the library is left out: {}",
                 LogId(self->request_.id),
                 Message(answer.status()));
    candidates->erase(culprit);
  }
  co_return size_t{0};
}

}  // namespace triptych::router
