#include "router/text_embedder.h"

#include <algorithm>
#include <utility>

#include "common/async/rpc_call.h"
#include "common/hash/sha256.h"
#include "common/log/log.h"
#include "common/status_reason.h"
#include "router/validation/field_error.h"
#include "triptych/internal/v1/token_table.grpc.pb.h"

namespace triptych::router {

using internal::v1::AverageRequest;
using internal::v1::AverageResponse;

namespace {

constexpr int kMaxTries = 3;  // of decoders that are gone
constexpr std::chrono::seconds kLongest{30};

StatusOr<std::vector<TextVector>> VectorsOf(const AverageResponse& response, const AverageRequest& request) {
  if (response.vectors_size() != request.texts_size())
    return Internal("a decoder gave {} vectors of {} texts", response.vectors_size(), request.texts_size());
  const std::string space =
      ToHex(FieldHasher("triptych text vectors 1").Text(request.card_digest()).Text(response.weights_digest()).Finish());
  constexpr size_t kDigits = 32;
  std::vector<TextVector> vectors;
  for (const v1::TextVector& vector : response.vectors())
    vectors.push_back({space.substr(0, kDigits), {vector.values().begin(), vector.values().end()}});
  return vectors;
}

}  // namespace

StatusOr<AverageRequest> TextEmbedder::TokensOf(const std::vector<std::string>& texts,
                                                const ModelCard& card) const {
  if (texts.empty()) return BadField("OUT_OF_RANGE", "texts", "one at least");
  TRIPTYCH_RETURN_IF_ERROR(CheckCount("texts", std::ssize(texts), kMaxTexts));
  int64_t bytes = 0;
  for (const std::string& text : texts) bytes += std::ssize(text);
  if (bytes > max_text_bytes_)
    return BadField("TEXT_TOO_LONG", "texts", "all together have at most {} bytes, got {}", max_text_bytes_, bytes);
  AverageRequest request;
  request.set_card_digest(std::string(card.digest().begin(), card.digest().end()));
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string field = fmt::format("texts[{}]", i);
    if (texts[i].empty()) return BadField("EMPTY", field, "it is empty");
    const std::vector<TokenId> ids = card.tokenizer().Encode(texts[i], /*trusted=*/false);
    TRIPTYCH_RETURN_IF_ERROR(CheckCount(field, std::ssize(ids), card.context_tokens()));
    request.add_texts()->mutable_ids()->Add(ids.begin(), ids.end());
  }
  return request;
}

Task<StatusOr<std::vector<TextVector>>> TextEmbedder::Embed(const TextEmbedder* self,
                                                            std::string model,
                                                            std::vector<std::string> texts,
                                                            TimePoint deadline) {
  TRIPTYCH_CO_ASSIGN_OR_RETURN(const auto found, self->models_.Find(model));
  TRIPTYCH_CO_ASSIGN_OR_RETURN(const AverageRequest request, self->TokensOf(texts, *found.second));
  WorkerPool::DecoderWish wish{.model = found.first, .card_digest = request.card_digest()};
  deadline = std::min<TimePoint>(deadline, std::chrono::steady_clock::now() + kLongest);
  Status status = WithReason(Unavailable("no decoder of model '{}' is ready", found.first), "NO_DECODER");
  for (int tries = 0; tries < kMaxTries; ++tries) {
    const WorkLease decoder = self->workers_.PickDecoder(wish);
    if (!decoder) break;
    wish.excluded.insert(decoder->incarnation());
    auto stub = std::shared_ptr(internal::v1::TokenTable::NewStub(
        self->channels_.Get(decoder->address(), ChannelPool::Purpose::kControl)));
    AverageRequest copy = request;
    Task<StatusOr<AverageResponse>> call = CallUnary<AverageResponse>(
        CallOptions{deadline}, std::move(copy), [stub](auto* context, auto* request, auto* response, auto done) {
          stub->async()->Average(context, request, response, std::move(done));
        });
    const StatusOr<AverageResponse> response = co_await std::move(call);
    if (response.ok()) co_return VectorsOf(*response, request);
    status = response.status();
    if (status.code() != StatusCode::kUnavailable) break;
    spdlog::warn("decoder {} gives no vectors: {}", decoder->id(), Message(status));
  }
  co_return status;
}

Task<StatusOr<TextVector>> TextEmbedder::EmbedOne(const TextEmbedder* self,
                                                  std::string model,
                                                  std::string text,
                                                  TimePoint deadline) {
  std::vector<std::string> texts;
  texts.push_back(std::move(text));
  Task<StatusOr<std::vector<TextVector>>> embed = Embed(self, std::move(model), std::move(texts), deadline);
  StatusOr<std::vector<TextVector>> vectors = co_await std::move(embed);
  if (!vectors.ok()) co_return vectors.status();
  co_return std::move(vectors->front());
}

}  // namespace triptych::router
