#include "router/compose/compose_session.h"

#include <algorithm>
#include <utility>

#include "common/async/change_signal.h"
#include "common/hash/sha256.h"
#include "common/log/log.h"
#include "router/base64.h"
#include "router/picture_page.h"

namespace triptych::router {
namespace {

constexpr size_t kParallelCaptions = 8;
constexpr size_t kMostPlaces = 30;          // where the client names no limit
constexpr int32_t kMostRounds = 8;          // in which an article is asked to go on
constexpr int32_t kShortestParagraph = 16;  // tokens
constexpr size_t kMaxDescription = 200;     // characters of what a library says of a picture
constexpr size_t kPieceBytes =
    24 << 10;  // of files on their way to the client; Base64 takes threes

// So many of the paragraphs as evenly as can be.
std::vector<int32_t> SpreadPlaces(size_t num_paragraphs, size_t count) {
  std::vector<int32_t> places;
  for (size_t i = 0; i < count; ++i)
    places.push_back(static_cast<int32_t>(((i + 1) * num_paragraphs - 1) / count));
  return places;
}

}  // namespace

// Captions that are asked for side by side.
struct ComposeSession::CaptionRound {
  explicit CaptionRound(const Strand& strand) : over(strand) {}
  std::vector<size_t> places;  // indices into places_
  size_t next = 0;
  size_t running = 0;
  Status failure = OkStatus();
  v1::Timings longest;
  ChangeSignal::Waiter over;
};

ComposeSession::ComposeSession(const ComposeContext* context,
                               std::shared_ptr<ComposeStream> stream,
                               AcceptedArticle request,
                               TimePoint arrived)
    : context_(*context),
      stream_(std::move(stream)),
      request_(std::move(request)),
      prompts_(MakePromptSet(*request_.card)),
      caller_(std::make_shared<ModelCaller>(
          request_.card,
          ModelCaller::Identity{request_.id, request_.model, request_.seed},
          stream_->info(),
          stream_->strand(),
          context_.generate)),
      outgoing_(stream_, context_.max_unsent_bytes, kSlowReaderGrace),
      clock_(arrived) {
  article_.language = request_.language;
}

Task<Status> ComposeSession::Run(std::shared_ptr<ComposeSession> self) {
  self->context_.metrics->ArticleAccepted();
  self->stream_->OnCancel([weak = self->weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->cancelled_ = true;
    self->caller_->Cancel();
  });
  Task<Status> compose = Compose(self);
  Status status = co_await std::move(compose);
  const TimePoint now = std::chrono::steady_clock::now();
  const bool late = now >= self->stream_->info().deadline;
  if (self->cancelled_ || (late && !status.ok())) {
    status = late ? DeadlineExceeded("the call's deadline has passed")
                  : Cancelled("the client is gone or has cancelled");
  }
  if (status.ok()) co_await self->outgoing_.Flush();
  self->context_.metrics->ArticleEnded(status, now - self->clock_.arrived());
  spdlog::info(
      "article {}: {} in {} ms, {} paragraphs, {} illustrations{}{}",
      LogId(self->request_.id),
      absl::StatusCodeToString(status.code()),
      std::chrono::duration_cast<std::chrono::milliseconds>(now - self->clock_.arrived()).count(),
      self->article_.paragraphs.size(),
      self->illustrations_.size(),
      status.ok() ? "" : ": ",
      Message(status));
  co_return status;
}

Task<Status> ComposeSession::Compose(std::shared_ptr<ComposeSession> self) {
  Task<Status> write = WriteArticle(self);
  Status status = co_await std::move(write);
  if (!status.ok()) co_return status;
  const bool has_pictures =
      self->request_.library != nullptr || !self->request_.own_pictures.empty();
  if (has_pictures && !self->article_.paragraphs.empty() && self->request_.max_images != 0) {
    Task<StatusOr<std::vector<int32_t>>> find = FindPlaces(self);
    StatusOr<std::vector<int32_t>> places = co_await std::move(find);
    if (!places.ok()) co_return places.status();
    self->places_ = self->PlacesFor(*std::move(places));
    Task<Status> captions = WriteCaptions(self);
    status = co_await std::move(captions);
    if (!status.ok()) co_return status;
  }
  Task<Status> illustrate = Illustrate(self);
  status = co_await std::move(illustrate);
  if (!status.ok()) co_return status;
  Task<Status> files = SendFiles(self);
  status = co_await std::move(files);
  if (!status.ok()) co_return status;
  co_return self->Finish();
}

Task<Status> ComposeSession::WriteArticle(std::shared_ptr<ComposeSession> self) {
  ModelCaller::Call call{.name = "article",
                         .settings = self->prompts_->SettingsOf(Stage::kArticle)};
  const std::string instruction = WithLanguage(self->request_.instruction, self->request_.language);
  if (self->request_.sampling) call.settings.sampling = *self->request_.sampling;
  if (self->request_.max_new_tokens > 0)
    call.settings.max_new_tokens = self->request_.max_new_tokens;
  if (self->request_.card->accepts_images()) call.pictures = self->request_.own_pictures;
  call.prompt = self->prompts_->ForArticle(instruction, static_cast<int32_t>(call.pictures.size()));
  if (!call.pictures.empty() && !self->caller_->Fits(call.prompt, call.pictures, call.settings)) {
    call.pictures.clear();
    call.prompt = self->prompts_->ForArticle(instruction, 0);
  }
  call.on_event = [weak = self->weak_from_this()](const v1::GenerateEvent& event) {
    if (const auto self = weak.lock()) self->OnArticleEvent(event);
  };
  std::string text;
  for (int32_t round = 1;; ++round) {
    Task<StatusOr<ModelCaller::Answer>> run = ModelCaller::Run(self->caller_, call);
    const StatusOr<ModelCaller::Answer> answer = co_await std::move(run);
    if (!self->unsent_.ok()) co_return self->unsent_;
    if (!answer.ok()) co_return answer.status();
    self->clock_.Waited(answer->timings);
    text += answer->text;
    self->article_.paragraphs = SplitParagraphs(text);
    call.settings.max_new_tokens -= answer->tokens;
    const bool long_enough = self->article_.paragraphs.size() >= self->prompts_->min_paragraphs();
    if (long_enough || round == kMostRounds || !answer->ended ||
        call.settings.max_new_tokens < kShortestParagraph)
      break;
    // It goes on as if it had never ended.
    const std::string_view pause = text.ends_with("\n\n") ? "" : text.ends_with('\n') ? "\n" : "\n\n";
    text += pause;
    call.name = fmt::format("article-{}", round + 1);
    call.prompt.answer = text;
    call.settings.min_new_tokens = kShortestParagraph;
    if (!self->caller_->Fits(call.prompt, call.pictures, call.settings)) break;
    if (!pause.empty()) self->SendText(pause);
  }
  self->article_.title = TitleOf(self->article_.paragraphs, self->request_.instruction);
  co_return OkStatus();
}

void ComposeSession::OnArticleEvent(const v1::GenerateEvent& event) {
  if (event.has_started() && !started_) {
    started_ = true;
    Keep(SendStarted(event.started()));
  }
  if (event.has_delta() && !event.delta().text().empty()) SendText(event.delta().text());
}

void ComposeSession::SendText(std::string_view text) {
  v1::ComposeEvent delta;
  delta.mutable_article()->set_text(std::string(text));
  Keep(outgoing_.Push(std::move(delta)));
}

// The first failure to send ends the writing.
void ComposeSession::Keep(const Status& sent) {
  if (sent.ok() || !unsent_.ok()) return;
  unsent_ = sent;
  caller_->Cancel();
}

Status ComposeSession::SendStarted(const v1::Started& started) {
  v1::ComposeEvent event;
  *event.mutable_started() = started;
  event.mutable_started()->set_request_id(request_.id);
  event.mutable_started()->set_seed(request_.seed);
  return outgoing_.Push(std::move(event));
}

// The end of an article that is too long for the model's context is not asked about.
Task<StatusOr<std::vector<int32_t>>> ComposeSession::FindPlaces(
    std::shared_ptr<ComposeSession> self) {
  ModelCaller::Call call{.name = "places", .settings = self->prompts_->SettingsOf(Stage::kPlaces)};
  if (self->request_.card->accepts_images()) call.pictures = self->request_.own_pictures;
  const std::span<const std::string> all = self->article_.paragraphs;
  const auto count_of = [&](size_t shown) {
    return static_cast<int32_t>(std::min<size_t>(
        self->request_.max_images.value_or(self->prompts_->UsualPlaces(shown)), shown));
  };
  size_t shown = all.size();
  for (; shown > 0; --shown) {
    call.prompt = self->prompts_->ForPlaces(
        all.first(shown), count_of(shown), static_cast<int32_t>(call.pictures.size()));
    if (self->caller_->Fits(call.prompt, call.pictures, call.settings)) break;
    if (call.pictures.empty()) continue;
    call.pictures.clear();
    ++shown;
  }
  if (shown == 0) co_return std::vector<int32_t>();
  Task<StatusOr<ModelCaller::Answer>> run = ModelCaller::Run(self->caller_, std::move(call));
  const StatusOr<ModelCaller::Answer> answer = co_await std::move(run);
  if (!answer.ok()) co_return answer.status();
  self->clock_.Waited(answer->timings);
  co_return self->prompts_->ParsePlaces(answer->text, static_cast<int32_t>(shown));
}

// Where the model named none, a few are spread over the article; where it named fewer than usual, some
// between those. The first in the text are for the user's own pictures.
std::vector<Place> ComposeSession::PlacesFor(std::vector<int32_t> paragraphs) const {
  const size_t num_paragraphs = article_.paragraphs.size(), num_own = request_.own_pictures.size();
  const size_t most =
      std::min<size_t>(num_paragraphs, request_.max_images ? *request_.max_images : kMostPlaces);
  size_t wanted = request_.max_images ? 0 : prompts_->UsualPlaces(num_paragraphs);
  if (paragraphs.empty())
    wanted = request_.max_images ? most : std::max<size_t>({1, num_own, num_paragraphs / 3, wanted});
  for (const int32_t place : SpreadPlaces(num_paragraphs, std::min(wanted, most))) {
    if (paragraphs.size() < wanted && std::ranges::find(paragraphs, place) == paragraphs.end())
      paragraphs.push_back(place);
  }
  paragraphs.resize(std::min(paragraphs.size(), request_.library ? most : std::min(most, num_own)));
  std::vector<int32_t> sorted = paragraphs;
  std::ranges::sort(sorted);
  sorted.resize(std::min(sorted.size(), num_own));
  std::vector<Place> places;
  for (const int32_t paragraph : sorted) places.push_back({.paragraph = paragraph, .own = true});
  for (const int32_t paragraph : paragraphs) {
    if (std::ranges::find(sorted, paragraph) == sorted.end())
      places.push_back({.paragraph = paragraph});
  }
  return places;
}

// One after another where each quotes those before, else side by side.
Task<Status> ComposeSession::WriteCaptions(std::shared_ptr<ComposeSession> self) {
  auto round = std::make_shared<CaptionRound>(self->stream_->strand());
  for (size_t i = 0; i < self->places_.size(); ++i) {
    if (!self->places_[i].own) {
      round->places.push_back(i);
      continue;
    }
    TRIPTYCH_CO_RETURN_IF_ERROR(self->SendPlacement(self->places_[i]));
  }
  if (self->prompts_->captions_in_turn()) {
    std::vector<PastCaption> past;
    for (const size_t index : round->places) {
      Task<StatusOr<v1::Timings>> write = WriteCaption(self, index, past);
      const StatusOr<v1::Timings> timings = co_await std::move(write);
      if (!timings.ok()) co_return timings.status();
      self->clock_.Waited(*timings);
      past.push_back({self->places_[index].paragraph, self->places_[index].caption});
    }
    co_return OkStatus();
  }
  round->running = std::min(kParallelCaptions, round->places.size());
  for (size_t i = round->running; i > 0; --i)
    IoRuntime::Spawn(self->stream_->strand(), WriteNextCaptions(self, round));
  while (round->running > 0) {
    Task<void> wait = round->over.Wait(TimePoint::max());
    co_await std::move(wait);
  }
  self->clock_.Waited(round->longest);
  co_return round->failure;
}

Task<void> ComposeSession::WriteNextCaptions(std::shared_ptr<ComposeSession> self,
                                             std::shared_ptr<CaptionRound> round) {
  while (round->next < round->places.size() && round->failure.ok()) {
    Task<StatusOr<v1::Timings>> write = WriteCaption(self, round->places[round->next++], {});
    const StatusOr<v1::Timings> timings = co_await std::move(write);
    if (!timings.ok()) {
      if (round->failure.ok()) round->failure = timings.status();
      self->caller_->Cancel();
      break;
    }
    const bool longer = std::pair(timings->total().seconds(), timings->total().nanos()) >
                        std::pair(round->longest.total().seconds(), round->longest.total().nanos());
    if (longer) round->longest = *timings;
  }
  --round->running;
  round->over.Wake();
}

Task<StatusOr<v1::Timings>> ComposeSession::WriteCaption(std::shared_ptr<ComposeSession> self,
                                                         size_t index,
                                                         std::vector<PastCaption> past) {
  constexpr size_t kStandIn = 60;  // characters of the paragraph, where the model finds no words
  Place& place = self->places_[index];
  ModelCaller::Call call{.name = fmt::format("caption-{}", place.paragraph),
                         .settings = self->prompts_->SettingsOf(Stage::kCaption)};
  for (int32_t dropped = 0; dropped <= static_cast<int32_t>(self->article_.paragraphs.size());
       ++dropped) {
    call.prompt =
        self->prompts_->ForCaption(self->article_.paragraphs, place.paragraph, past, dropped);
    if (self->caller_->Fits(call.prompt, {}, call.settings)) break;
  }
  Task<StatusOr<ModelCaller::Answer>> run = ModelCaller::Run(self->caller_, std::move(call));
  const StatusOr<ModelCaller::Answer> answer = co_await std::move(run);
  if (!answer.ok()) co_return answer.status();
  place.caption = self->prompts_->ParseCaption(answer->text);
  if (place.caption.empty())
    place.caption = FirstCharacters(self->article_.paragraphs[place.paragraph], kStandIn);
  TRIPTYCH_CO_RETURN_IF_ERROR(self->SendPlacement(place));
  co_return answer->timings;
}

Status ComposeSession::SendPlacement(const Place& place) {
  v1::ComposeEvent event;
  event.mutable_placement()->set_after_paragraph(static_cast<uint32_t>(place.paragraph));
  event.mutable_placement()->set_caption(place.caption);
  return outgoing_.Push(std::move(event));
}

// A place that no picture is found for stays empty.
Task<Status> ComposeSession::Illustrate(std::shared_ptr<ComposeSession> self) {
  std::vector<Place> in_order = self->places_;
  std::ranges::sort(in_order, {}, &Place::paragraph);
  const auto chooser = std::make_shared<PictureChooser>(&self->context_,
                                                        &self->request_,
                                                        self->prompts_.get(),
                                                        self->caller_,
                                                        &self->article_.paragraphs,
                                                        &self->clock_);
  for (const Place& place : in_order) {
    Task<StatusOr<std::optional<ChosenPicture>>> choose = PictureChooser::ChooseFor(chooser, place);
    const StatusOr<std::optional<ChosenPicture>> chosen = co_await std::move(choose);
    if (!chosen.ok()) co_return chosen.status();
    if (!chosen->has_value()) continue;
    TRIPTYCH_CO_RETURN_IF_ERROR(self->AddIllustration(place, **chosen));
  }
  co_return OkStatus();
}

Status ComposeSession::AddIllustration(const Place& place, const ChosenPicture& chosen) {
  const Candidate& winner = chosen.winner();
  const StoredImage& image = winner.picture.image;
  v1::Illustration& illustration = illustrations_.emplace_back();
  illustration.set_after_paragraph(static_cast<uint32_t>(place.paragraph));
  illustration.set_caption(place.caption);
  illustration.set_image_sha256(ToHex(image.digest));
  illustration.set_image_url(kPictureFolder + illustration.image_sha256());
  illustration.set_chosen(static_cast<uint32_t>(chosen.index));
  illustration.set_licence(FirstCharacters(winner.words.licence, kMaxDescription));
  illustration.set_source(FirstCharacters(winner.words.source, kMaxDescription));
  // All of them can be fetched, the winner last to be forgotten: who looks at the article may choose another.
  for (const Candidate& candidate : chosen.candidates) {
    context_.images->Put(request_.tenant, candidate.picture.image);
    v1::Candidate* offered = illustration.add_candidates();
    offered->set_image_sha256(ToHex(candidate.picture.image.digest));
    offered->set_description(FirstCharacters(candidate.words.description, kMaxDescription));
    offered->set_score(candidate.words.score);
    offered->set_licence(FirstCharacters(candidate.words.licence, kMaxDescription));
    offered->set_source(FirstCharacters(candidate.words.source, kMaxDescription));
  }
  article_.pictures.push_back({.after_paragraph = place.paragraph,
                               .caption = place.caption,
                               .url = illustration.image_url(),
                               .media_type = std::string(MediaType(image.header.format)),
                               .file = image.file,
                               .licence = illustration.licence(),
                               .source = illustration.source()});
  context_.images->Put(request_.tenant, image);
  context_.metrics->IllustrationPlaced(winner.own.has_value());
  v1::ComposeEvent event;
  *event.mutable_illustration() = illustration;
  return outgoing_.Push(std::move(event));
}

Task<Status> ComposeSession::SendFiles(std::shared_ptr<ComposeSession> self) {
  if (self->request_.send_page) {
    Task<Status> send = SendPage(self);
    const Status status = co_await std::move(send);
    if (!status.ok()) co_return status;
  }
  for (size_t i = 0; i < self->illustrations_.size() && self->request_.send_pictures; ++i) {
    Task<Status> send = SendPicture(self, i);
    const Status status = co_await std::move(send);
    if (!status.ok()) co_return status;
  }
  co_return OkStatus();
}

Task<Status> ComposeSession::SendPage(std::shared_ptr<ComposeSession> self) {
  const std::vector<HtmlPart> parts = RenderHtml(self->article_);
  for (const HtmlPart& part : parts) {
    const std::string_view bytes = part.file ? *part.file : part.text;
    for (size_t begin = 0; begin < bytes.size(); begin += kPieceBytes) {
      const std::string_view piece = bytes.substr(begin, kPieceBytes);
      v1::ComposeEvent event;
      event.mutable_page()->set_html(part.file ? Base64(piece) : std::string(piece));
      Task<Status> send = SendSlowly(self, std::move(event));
      const Status status = co_await std::move(send);
      if (!status.ok()) co_return status;
    }
  }
  co_return OkStatus();
}

Task<Status> ComposeSession::SendPicture(std::shared_ptr<ComposeSession> self, size_t index) {
  const std::shared_ptr<const std::string> file = self->article_.pictures[index].file;
  for (size_t begin = 0; begin < file->size(); begin += kPieceBytes) {
    v1::ComposeEvent event;
    event.mutable_picture()->set_image_sha256(self->illustrations_[index].image_sha256());
    event.mutable_picture()->set_media_type(self->article_.pictures[index].media_type);
    event.mutable_picture()->set_data(file->substr(begin, kPieceBytes));
    Task<Status> send = SendSlowly(self, std::move(event));
    const Status status = co_await std::move(send);
    if (!status.ok()) co_return status;
  }
  co_return OkStatus();
}

// As fast as the client reads.
Task<Status> ComposeSession::SendSlowly(std::shared_ptr<ComposeSession> self,
                                        v1::ComposeEvent event) {
  Task<bool> wait = self->outgoing_.WaitBelow(static_cast<int64_t>(kPieceBytes));
  const bool read = co_await std::move(wait);
  if (!read) co_return Cancelled("the client is gone or has cancelled");
  co_return self->outgoing_.Push(std::move(event));
}

Status ComposeSession::Finish() {
  v1::ComposeEvent event;
  v1::ComposedArticle* finished = event.mutable_finished();
  finished->set_title(article_.title.text);
  finished->set_markdown(RenderMarkdown(article_));
  for (const v1::Illustration& illustration : illustrations_)
    *finished->add_illustrations() = illustration;
  *finished->mutable_timings() = clock_.At(std::chrono::steady_clock::now());
  return outgoing_.Push(std::move(event));
}

}  // namespace triptych::router
