#include "router/compose/model_caller.h"

#include <algorithm>
#include <utility>

#include "common/hash/sha256.h"

namespace triptych::router {
namespace {

constexpr size_t kMaxIdBytes = 100;  // of an article's id in those of its calls, which have a limit

uint64_t SeedOf(uint64_t seed, std::string_view name) {
  const Sha256Digest digest =
      FieldHasher("triptych article seed 1").Number(seed).Text(name).Finish();
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(value); ++i) value = value << 8 | digest[i];
  return value;
}

// As the checks of a Generate call will count them.
std::vector<PromptImage> SizesOf(const ModelCard& card, const std::vector<StagePicture>& pictures) {
  const int32_t tiles = card.DefaultMaxTiles(static_cast<int32_t>(pictures.size()));
  std::vector<PromptImage> sizes;
  for (const StagePicture& picture : pictures) {
    sizes.push_back({picture.image.header.size,
                     picture.max_tiles == 0 ? tiles : static_cast<int32_t>(picture.max_tiles)});
  }
  return sizes;
}

int32_t RoomFor(const ModelCard& card, const StageSettings& settings) {
  return std::min(settings.max_new_tokens, card.context_tokens() / 4);
}

}  // namespace

// What a Generate call of our own writes into: it keeps the text, and hands the events on.
class ModelCaller::Stream final : public InProcessStream<v1::GenerateRequest, v1::GenerateEvent> {
 public:
  Stream(CallInfo info, Strand strand, std::function<void(const v1::GenerateEvent&)> on_event)
      : InProcessStream(std::move(info), std::move(strand)), on_event_(std::move(on_event)) {}

  Task<bool> Write(v1::GenerateEvent event) override {
    if (cancelled()) co_return false;
    if (event.has_delta()) answer_.text += event.delta().text();
    if (event.has_finished()) {
      answer_.tokens = static_cast<int32_t>(event.finished().output_tokens());
      answer_.ended = event.finished().reason() == v1::FINISH_REASON_STOP;
      answer_.timings = event.finished().timings();
    }
    if (on_event_) on_event_(event);
    co_return true;
  }
  Answer TakeAnswer() { return std::move(answer_); }

 private:
  const std::function<void(const v1::GenerateEvent&)> on_event_;
  Answer answer_;
};

bool ModelCaller::Fits(const StagePrompt& prompt,
                       const std::vector<StagePicture>& pictures,
                       const StageSettings& settings) const {
  const auto tokens = RenderStage(card_, prompt, SizesOf(card_, pictures));
  return tokens.ok() && static_cast<int32_t>(tokens->ids.size()) + RoomFor(card_, settings) <=
                            card_.context_tokens();
}

StatusOr<v1::GenerateRequest> ModelCaller::MakeRequest(const Call& call) const {
  const std::vector<PromptImage> sizes = SizesOf(card_, call.pictures);
  TRIPTYCH_ASSIGN_OR_RETURN(const TokenizedPrompt tokens, RenderStage(card_, call.prompt, sizes));
  v1::GenerateRequest request;
  request.set_model(identity_.model);
  request.set_request_id(
      fmt::format("{}.{}", identity_.request_id.substr(0, kMaxIdBytes), call.name));
  v1::TokenPrompt& prompt = *request.mutable_prompt()->mutable_tokens();
  size_t next = 0;
  for (size_t at = 0; at < tokens.ids.size();) {
    if (next < tokens.images.size() && std::cmp_equal(tokens.images[next].start, at)) {
      const ImageSpan& span = tokens.images[next++];
      v1::TokenPrompt::PlacedImage& placed = *prompt.add_images();
      placed.set_index(static_cast<uint32_t>(prompt.ids_size()));
      placed.mutable_image()->set_data(*call.pictures[span.image].image.file);
      placed.mutable_image()->set_max_tiles(static_cast<uint32_t>(sizes[span.image].max_tiles));
      at += static_cast<size_t>(span.rows);
      continue;
    }
    prompt.add_ids(static_cast<uint32_t>(tokens.ids[at++]));
  }
  *request.mutable_sampling() = call.settings.sampling;
  request.mutable_sampling()->set_seed(SeedOf(identity_.seed, call.name));
  const auto prompt_tokens = static_cast<int32_t>(tokens.ids.size());
  const int32_t most = call.settings.max_tokens > 0
                           ? std::min(call.settings.max_tokens, card_.context_tokens())
                           : card_.context_tokens();
  const int32_t max_new_tokens = std::clamp(most - prompt_tokens, 1, call.settings.max_new_tokens);
  request.mutable_stopping()->set_max_new_tokens(static_cast<uint32_t>(max_new_tokens));
  request.mutable_stopping()->set_min_new_tokens(
      static_cast<uint32_t>(std::min(call.settings.min_new_tokens, max_new_tokens)));
  for (const std::string& stop : call.settings.stop) request.mutable_stopping()->add_stop(stop);
  for (const std::string& spelling : call.settings.stop_tokens) {
    const TokenId id = card_.tokenizer().SpecialId(spelling);
    if (id >= 0) request.mutable_stopping()->add_stop_token_ids(static_cast<uint32_t>(id));
  }
  for (const std::string& choice : call.choices)
    request.mutable_constraint()->mutable_choices()->add_choices(choice);
  // 2.5 writes with its task LoRA of that name.
  const auto adapters = card_.adapters();
  if (std::ranges::find(adapters, "write") != adapters.end()) request.set_adapter("write");
  return request;
}

Task<StatusOr<ModelCaller::Answer>> ModelCaller::Run(std::shared_ptr<ModelCaller> self, Call call) {
  if (self->cancelled_) co_return Cancelled("the client is gone or has cancelled");
  StatusOr<v1::GenerateRequest> request = self->MakeRequest(call);
  if (!request.ok()) co_return request.status();
  auto stream = std::make_shared<Stream>(self->info_, self->strand_, std::move(call.on_event));
  std::erase_if(self->streams_, [](const std::weak_ptr<Stream>& old) { return old.expired(); });
  self->streams_.push_back(stream);
  Task<Status> run = self->generate_(stream, *std::move(request));
  const Status status = co_await std::move(run);
  if (!status.ok()) co_return status;
  co_return stream->TakeAnswer();
}

void ModelCaller::Cancel() {
  cancelled_ = true;
  for (const std::weak_ptr<Stream>& weak : streams_) {
    if (const std::shared_ptr<Stream> stream = weak.lock()) stream->Cancel();
  }
}

}  // namespace triptych::router
