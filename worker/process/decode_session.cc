#include "worker/process/decode_session.h"

#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/limits.h"
#include "common/log/log.h"
#include "common/rpc/proto_duration.h"

namespace triptych::worker {
namespace {

using internal::v1::DecodeEvent;
using internal::v1::StartDecode;

void CopyScore(const engine::ScoredToken& from, v1::TokenLogprobs* to) {
  to->set_logprob(from.logprob);
  for (const engine::TokenLogprob& best : from.top) {
    to->add_top_ids(best.id);
    to->add_top_logprobs(best.logprob);
  }
}

v1::FinishReason ToProto(engine::FinishReason reason) {
  switch (reason) {
    case engine::FinishReason::kStop: return v1::FINISH_REASON_STOP;
    case engine::FinishReason::kLength: return v1::FINISH_REASON_LENGTH;
    case engine::FinishReason::kCancelled: return v1::FINISH_REASON_CANCELLED;
  }
  return v1::FINISH_REASON_UNSPECIFIED;
}

Task<void> WaitCancelled(asio::steady_timer& timer) {
  boost::system::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

}  // namespace

DecodeSession::DecodeSession(std::shared_ptr<Stream> stream, const DecodeContext* context, engine::RequestId id)
    : stream_(std::move(stream)),
      context_(context),
      id_(id),
      outgoing_(stream_, kMaxUnsentBytesPerStream, kSlowReaderGrace),
      done_(stream_->strand(), TimePoint::max()) {}

Task<Status> DecodeSession::Run(std::shared_ptr<DecodeSession> self) {
  std::optional<internal::v1::DecodeRequest> first = co_await self->stream_->Read();
  if (!first) co_return Cancelled("the stream ended before its first message");
  if (!first->has_start()) co_return InvalidArgument("a stream's first message is its start");
  TRIPTYCH_CO_RETURN_IF_ERROR(self->Begin(first->start()));
  for (size_t i = 0; i < self->pictures_.size(); ++i) {
    IoRuntime::Spawn(self->stream_->strand(), FetchPicture(self, i));
  }
  IoRuntime::Spawn(self->stream_->strand(), ReadLoop(self));
  if (!self->ended_) co_await WaitCancelled(self->done_);
  for (Picture& picture : self->pictures_) picture.new_source->cancel();
  if (self->ended_->ok()) co_await self->outgoing_.Flush();
  co_return *self->ended_;
}

// Pins before submitting, so that rows that are here stay here; tells the engine of them after, because it forgets keys that no request
// of its own names.
Status DecodeSession::Begin(const StartDecode& start) {
  request_id_ = start.request_id();
  wants_logprobs_ = start.top_logprobs() > 0;
  TRIPTYCH_ASSIGN_OR_RETURN(std::unique_ptr<engine::Request> request, BuildRequest(start, context_->traits));
  request->id = id_;
  open_sequences_ = request->num_sequences;
  for (const engine::ResumedSequence& resumed : request->resume) open_sequences_ -= resumed.finished;
  if (open_sequences_ == 0) return InvalidArgument("nothing is left to do: every sequence has finished");
  TRIPTYCH_RETURN_IF_ERROR(PinPictures(start));
  TRIPTYCH_RETURN_IF_ERROR(context_->engine->Submit(std::move(request), shared_from_this()));
  stream_->OnCancel([weak = weak_from_this()] {
    if (auto self = weak.lock()) self->End(Cancelled("the router is gone or has cancelled"));
  });
  for (const Picture& picture : pictures_) {
    context_->engine->OnEmbeddingRows(picture.key, picture.pin.available_rows());
  }
  return OkStatus();
}

Status DecodeSession::PinPictures(const StartDecode& start) {
  for (const auto& from : start.pictures()) {
    Picture picture;
    TRIPTYCH_ASSIGN_OR_RETURN(picture.key, ParseEmbeddingKey(from.key()));
    picture.rows = static_cast<int32_t>(from.rows());
    TRIPTYCH_ASSIGN_OR_RETURN(picture.pin, context_->store->Reserve(picture.key, picture.rows));
    picture.source = from.source().address();
    picture.new_source = std::make_unique<asio::steady_timer>(stream_->strand());
    pictures_.push_back(std::move(picture));
  }
  return OkStatus();
}

Task<void> DecodeSession::ReadLoop(std::shared_ptr<DecodeSession> self) {
  while (!self->ended_) {
    std::optional<internal::v1::DecodeRequest> message = co_await self->stream_->Read();
    if (!message) co_return;
    if (message->has_source()) {
      self->HandleSource(message->source());
    } else if (message->has_stop_sequence()) {
      self->context_->engine->StopSequence(self->id_, static_cast<int32_t>(message->stop_sequence().sequence()));
    } else {
      self->End(InvalidArgument("a stream has one start"));
    }
  }
}

void DecodeSession::HandleSource(const internal::v1::EmbeddingSource& source) {
  if (source.picture() >= pictures_.size()) {
    End(InvalidArgument("a source for picture {}, the request has {}", source.picture(), pictures_.size()));
    return;
  }
  Picture& picture = pictures_[source.picture()];
  picture.source = source.address();
  picture.new_source->cancel();
}

// Fetches from one source after the other until the rows are here. The router names the next source when one has failed.
Task<void> DecodeSession::FetchPicture(std::shared_ptr<DecodeSession> self, size_t index) {
  Picture& picture = self->pictures_[index];
  while (!self->ended_ && picture.pin.available_rows() < picture.rows) {
    if (!picture.source) {
      picture.new_source->expires_at(TimePoint::max());
      co_await WaitCancelled(*picture.new_source);
      continue;
    }
    const std::string address = *std::exchange(picture.source, std::nullopt);
    Status status = NotFound("the rows are not in this decoder's cache");
    if (!address.empty()) {
      Task<Status> fetch = self->context_->fetcher->Fetch(address, picture.key, picture.rows,
                                                          self->stream_->info().deadline, self->request_id_);
      status = co_await std::move(fetch);
    }
    if (status.ok() || self->ended_) continue;
    spdlog::warn("request {}: picture {} not to be had: {}", LogId(self->request_id_), index, Message(status));
    DecodeEvent event;
    event.mutable_embedding_failed()->set_picture(static_cast<uint32_t>(index));
    event.mutable_embedding_failed()->set_code(static_cast<uint32_t>(status.code()));
    event.mutable_embedding_failed()->set_message(std::string(Message(status)));
    self->Push(std::move(event));
  }
}

void DecodeSession::OnAdmitted(int32_t cached_tokens) {
  DecodeEvent event;
  event.mutable_admitted()->set_cached_tokens(cached_tokens);
  Post(std::move(event));
}

void DecodeSession::OnProgress(int32_t prefilled, int32_t total) {
  DecodeEvent event;
  event.mutable_progress()->set_stage(v1::Progress::STAGE_PREFILL);
  event.mutable_progress()->set_done(prefilled);
  event.mutable_progress()->set_total(total);
  Post(std::move(event));
}

void DecodeSession::OnTokens(int32_t sequence, int32_t offset, std::vector<engine::ScoredToken> tokens) {
  DecodeEvent event;
  internal::v1::Tokens* to = event.mutable_tokens();
  to->set_sequence(sequence);
  to->set_offset(offset);
  for (const engine::ScoredToken& token : tokens) {
    to->add_ids(token.id);
    if (wants_logprobs_) CopyScore(token, to->add_logprobs());
  }
  Post(std::move(event));
}

void DecodeSession::OnFinished(int32_t sequence,
                               engine::FinishReason reason,
                               int32_t output_tokens,
                               double score,
                               std::vector<engine::ScoredToken> prompt_scores,
                               engine::RequestTimings timings) {
  DecodeEvent event;
  internal::v1::SequenceFinished* to = event.mutable_finished();
  to->set_sequence(sequence);
  to->set_reason(ToProto(reason));
  to->set_output_tokens(output_tokens);
  to->set_score(score);
  for (const engine::ScoredToken& token : prompt_scores) CopyScore(token, to->add_prompt_logprobs());
  *to->mutable_timings()->mutable_transfer() = triptych::ToProto(timings.transfer);
  *to->mutable_timings()->mutable_queue() = triptych::ToProto(timings.queue);
  *to->mutable_timings()->mutable_prefill() = triptych::ToProto(timings.prefill);
  *to->mutable_timings()->mutable_decode() = triptych::ToProto(timings.decode);
  Post(std::move(event), /*last_of_sequence=*/true);
}

void DecodeSession::OnFailed(Status why) {
  asio::post(stream_->strand(), [self = shared_from_this(), why = std::move(why)] { self->End(why); });
}

void DecodeSession::Post(DecodeEvent event, bool last_of_sequence) {
  asio::post(stream_->strand(), [self = shared_from_this(), event = std::move(event), last_of_sequence]() mutable {
    self->Push(std::move(event));
    if (last_of_sequence && --self->open_sequences_ == 0) self->End(OkStatus());
  });
}

void DecodeSession::Push(DecodeEvent event) {
  if (ended_) return;
  if (Status status = outgoing_.Push(std::move(event)); !status.ok()) End(std::move(status));
}

// The first end counts. The engine hears of every end that it did not bring about itself; cancelling what is over does nothing.
void DecodeSession::End(Status status) {
  if (ended_) return;
  if (!status.ok()) context_->engine->Cancel(id_);
  ended_ = std::move(status);
  done_.cancel();
}

}  // namespace triptych::worker
