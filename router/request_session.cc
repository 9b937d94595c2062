#include "router/request_session.h"

#include <algorithm>
#include <utility>

#include "common/hash/block_hash.h"
#include "common/limits.h"
#include "common/log/log.h"
#include "common/rpc/connect_failure.h"
#include "common/status_reason.h"
#include "router/tenant.h"
#include "triptych/internal/v1/encoder.grpc.pb.h"

namespace triptych::router {

using internal::v1::DecodeEvent;
using internal::v1::DecodeRequest;
using internal::v1::StartDecode;

namespace {

constexpr TimePoint kNever = TimePoint::max();

// The stream broke under the request: the worker died, or its shard group did.
bool IsDeath(const Status& status) {
  const bool broken = status.code() == StatusCode::kUnavailable || status.code() == StatusCode::kUnknown;
  return broken && ReasonOf(status).empty() && !IsConnectFailure(status);
}

// The worker ended in order, and could not wait for the request any longer.
bool IsFarewell(const Status& status) { return ReasonOf(status) == "ENGINE_STOPPED"; }

bool IsRefusal(const Status& status) {
  return (status.code() == StatusCode::kUnavailable && (!ReasonOf(status).empty() || IsConnectFailure(status))) ||
         (status.code() == StatusCode::kResourceExhausted && ReasonOf(status) != "SLOW_READER");
}

std::vector<KeyedSpan> KeyedSpans(const PreparedPrompt& prompt) {
  std::vector<KeyedSpan> spans;
  for (const ImageSpan& span : prompt.tokens.images) spans.push_back({span.start, span.rows, prompt.images[span.image].key});
  return spans;
}

}  // namespace

RequestSession::RequestSession(const SessionContext* context, std::shared_ptr<Stream> stream, AcceptedRequest request, TimePoint arrived)
    : context_(*context),
      stream_(std::move(stream)),
      request_(std::move(request)),
      blocks_(BlockHashes(PrefixSalt(request_.tenant, request_.options.adapter), request_.prompt.tokens.ids, KeyedSpans(request_.prompt))),
      outgoing_(stream_, context_.max_unsent_bytes, kSlowReaderGrace),
      relay_(&request_.card->tokenizer(), request_.options),
      clock_(arrived),
      pictures_(request_.prompt.tokens.images.size()) {}

Task<Status> RequestSession::Run(std::shared_ptr<RequestSession> self) {
  self->context_.metrics->RequestAccepted(self->request_.prompt.prompt_tokens(), self->request_.prompt.image_tokens);
  self->stream_->OnCancel([weak = self->weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->cancelled_ = true;
    if (self->attempt_) self->Fail(*self->attempt_, Cancelled("the client is gone or has cancelled"));
    self->context_.workers->changes().Notify();  // in case it waits for a worker
  });
  Task<Status> serve = Serve(self);
  Status status = co_await std::move(serve);
  const bool late = std::chrono::steady_clock::now() >= self->stream_->info().deadline;
  if (self->cancelled_ || (late && !status.ok())) {
    status = late ? DeadlineExceeded("the call's deadline has passed") : Cancelled("the client is gone or has cancelled");
  }
  if (status.ok()) co_await self->outgoing_.Flush();
  const Duration duration = std::chrono::steady_clock::now() - self->clock_.accepted();
  self->context_.metrics->RequestEnded(status, duration);
  spdlog::info("request {} trace {}: {} in {} ms, {} prompt and {} output tokens, {} moves{}{}", LogId(self->request_.id),
               self->stream_->info().trace_parent.empty() ? "-" : LogId(self->stream_->info().trace_parent), absl::StatusCodeToString(status.code()),
               std::chrono::duration_cast<std::chrono::milliseconds>(duration).count(), self->request_.prompt.prompt_tokens(),
               self->relay_.output_tokens(), self->migrations_, status.ok() ? "" : ": ", Message(status));
  co_return status;
}

Task<Status> RequestSession::Serve(std::shared_ptr<RequestSession> self) {
  while (self->relay_.needs_decoder()) {
    Task<StatusOr<WorkLease>> pick = AwaitDecoder(self);
    StatusOr<WorkLease> decoder = co_await std::move(pick);
    if (!decoder.ok()) co_return decoder.status();
    auto attempt = std::make_shared<Attempt>();
    attempt->decoder = *std::move(decoder);
    Task<Status> run = RunAttempt(self, attempt);
    Status status = co_await std::move(run);
    attempt->over = true;
    self->attempt_.reset();
    self->clock_.AttemptEnded(std::chrono::steady_clock::now());
    if (status.ok() || !self->relay_.needs_decoder()) break;
    const Status verdict = self->Judge(*attempt, std::move(status));
    if (!verdict.ok()) co_return verdict;
  }
  if (!self->started_) TRIPTYCH_CO_RETURN_IF_ERROR(self->HandleAdmitted({}));
  for (v1::GenerateEvent& event : self->relay_.FinishStopped(self->Timings(nullptr)).events) {
    TRIPTYCH_CO_RETURN_IF_ERROR(self->outgoing_.Push(std::move(event)));
  }
  co_return OkStatus();
}

// Many pictures may see one encoder die: that is one death.
Status RequestSession::NoteDeath(const WorkerHandle& worker) {
  dead_.insert(worker.incarnation());
  if (dead_.size() < kMaxDeathsPerRequest) return OkStatus();
  return WithReason(Unavailable("{} workers died while they ran this request: it is not tried again", dead_.size()), "WORKERS_DIED");
}

// Whether a lost attempt may be followed by another: not when it was given up here, which says nothing of its decoder. A worker that refused
// stays out for a while, one that died or ended for good.
Status RequestSession::Judge(const Attempt& attempt, Status status) {
  if (cancelled_ || !attempt.failure.ok()) return status;
  const TimePoint now = std::chrono::steady_clock::now();
  const std::string id = attempt.decoder->id();
  const bool died = IsDeath(status);
  if (died || (attempt.admitted && IsFarewell(status))) {
    excluded_[attempt.decoder->incarnation()] = kNever;
    spdlog::warn("request {}: decoder {} was lost: {}", LogId(request_.id), id, Message(status));
    if (died) TRIPTYCH_RETURN_IF_ERROR(NoteDeath(*attempt.decoder.worker()));
    ++migrations_;
    context_.metrics->StreamMigrated();
    return OkStatus();
  }
  if (!IsRefusal(status)) return status;
  constexpr std::chrono::milliseconds kPause{100};
  excluded_[attempt.decoder->incarnation()] = now + kPause * (1 << std::min(refusals_, 5));
  ++refusals_;
  spdlog::info("request {}: decoder {} refuses: {}", LogId(request_.id), id, Message(status));
  return OkStatus();
}

Task<StatusOr<WorkLease>> RequestSession::AwaitDecoder(std::shared_ptr<RequestSession> self) {
  const std::shared_ptr<ChangeSignal::Waiter> waiter = self->context_.workers->changes().Subscribe(self->stream_->strand());
  const TimePoint patience = std::min(self->stream_->info().deadline, std::chrono::steady_clock::now() + self->context_.worker_wait);
  WorkerPool::DecoderWish wish{.model = self->request_.model,
                               .card_digest = {self->request_.card->digest().begin(), self->request_.card->digest().end()},
                               .blocks = self->blocks_,
                               .prompt_tokens = self->request_.prompt.prompt_tokens() + self->relay_.output_tokens(),
                               .sequences = self->request_.options.num_sequences()};
  if (self->identity_) {
    wish.numerics = self->identity_->numerics();
    wish.weights_digest = self->identity_->weights_digest();
  }
  if (self->request_.options.progress) TRIPTYCH_CO_RETURN_IF_ERROR(self->SendProgress(v1::Progress::STAGE_QUEUED, 0, 1));
  while (!self->cancelled_) {
    const TimePoint now = std::chrono::steady_clock::now();
    TimePoint wake = patience;
    wish.excluded.clear();
    for (const auto& [incarnation, until] : self->excluded_) {
      if (until <= now) continue;
      wish.excluded.insert(incarnation);
      wake = std::min(wake, until);
    }
    WorkLease lease = self->context_.workers->PickDecoder(wish);
    if (lease) co_return lease;
    if (now >= patience) {
      const bool full = self->refusals_ > 0;
      co_return full ? WithReason(ResourceExhausted("every decoder of model '{}' is full", self->request_.model), "DECODERS_FULL")
                     : WithReason(Unavailable("no decoder of model '{}' is ready", self->request_.model), "NO_DECODER");
    }
    Task<void> wait = waiter->Wait(wake);
    co_await std::move(wait);
  }
  co_return Cancelled("the client is gone or has cancelled");
}

CallOptions RequestSession::Options(TimePoint deadline) const {
  CallOptions options{deadline};
  if (!stream_->info().trace_parent.empty()) options.metadata.emplace_back("traceparent", stream_->info().trace_parent);
  return options;
}

StartDecode RequestSession::MakeStart(const WorkerHandle& worker) const {
  const GenerateOptions& options = request_.options;
  StartDecode start;
  start.set_request_id(request_.id);
  start.set_incarnation(worker.incarnation());
  *start.mutable_identity() = worker.registration().model();
  start.set_prefix_salt(PrefixSalt(request_.tenant, options.adapter));
  start.mutable_prompt()->Add(request_.prompt.tokens.ids.begin(), request_.prompt.tokens.ids.end());
  *start.mutable_sampling() = options.sampling;
  start.mutable_limits()->set_max_new_tokens(request_.max_new_tokens);
  start.mutable_limits()->set_min_new_tokens(options.stopping.min_new_tokens);
  start.mutable_limits()->mutable_stop_token_ids()->Add(options.stopping.stop_token_ids.begin(), options.stopping.stop_token_ids.end());
  for (const std::vector<TokenId>& choice : options.choices) start.add_choices()->mutable_ids()->Add(choice.begin(), choice.end());
  start.set_priority(options.priority);
  start.set_top_logprobs(options.top_logprobs);
  start.set_score_only(options.score_only);
  start.set_adapter(options.adapter);
  start.set_progress(options.progress);
  start.set_penalty_prefix(request_.card->defaults().penalty_sees_prompt ? 0 : 1);
  relay_.FillResume(start);
  return start;
}

Task<Status> RequestSession::RunAttempt(std::shared_ptr<RequestSession> self, std::shared_ptr<Attempt> attempt) {
  const WorkerHandle& worker = *attempt->decoder.worker();
  self->attempt_ = attempt;
  self->clock_.AttemptStarted(std::chrono::steady_clock::now());
  auto channel = self->context_.channels->Get(worker.address(), ChannelPool::Purpose::kControl);
  attempt->call = DecodeCall::Start(self->stream_->strand(), std::move(channel), self->Options(self->stream_->info().deadline));
  const uint64_t hook = attempt->decoder->OnFenced([weak = std::weak_ptr(attempt->call)] {
    if (const auto call = weak.lock()) call->Cancel();
  });
  DecodeRequest first;
  *first.mutable_start() = self->MakeStart(worker);
  self->pictures_.assign(self->pictures_.size(), {});
  self->encoded_pictures_ = 0;
  for (size_t i = 0; i < self->pictures_.size(); ++i) {
    const ImageSpan& span = self->request_.prompt.tokens.images[i];
    const EmbeddingKey& key = self->request_.prompt.images[span.image].key;
    StartDecode::Picture* picture = first.mutable_start()->add_pictures();
    picture->set_start(span.start);
    picture->set_rows(span.rows);
    picture->set_key(std::string(key.digest.begin(), key.digest.end()));
    self->StartPicture(attempt, i, picture->mutable_source());
  }
  DecodeCall::Send(attempt->call, std::move(first));
  Status status = OkStatus();
  while (attempt->failure.ok() && !self->relay_.finished()) {
    std::optional<DecodeEvent> event = co_await attempt->call->Read();
    if (!event || worker.fenced()) break;
    if (attempt->failure.ok()) attempt->failure = self->Handle(attempt, *event);
  }
  const bool finished = self->relay_.finished();
  attempt->over = true;
  attempt->decoder->Forget(hook);
  Task<Status> finish = DecodeCall::Finish(attempt->call);
  status = co_await std::move(finish);
  if (finished) co_return OkStatus();
  if (!attempt->failure.ok()) co_return attempt->failure;
  if (worker.fenced() && !IsFarewell(status)) co_return Unavailable("the worker is gone");
  if (status.ok()) co_return Internal("the decoder ended the stream before its last sequence");
  co_return status;
}

void RequestSession::Fail(Attempt& attempt, Status why) {
  if (attempt.over || !attempt.failure.ok()) return;
  attempt.failure = std::move(why);
  if (attempt.call) attempt.call->Cancel();
}

void RequestSession::SendSource(Attempt& attempt, size_t index, const std::string& address) {
  DecodeRequest request;
  request.mutable_source()->set_picture(static_cast<uint32_t>(index));
  request.mutable_source()->set_address(address);
  DecodeCall::Send(attempt.call, std::move(request));
}

// From the decoder's own cache, else from an encoder, which is asked at the same time.
void RequestSession::StartPicture(const std::shared_ptr<Attempt>& attempt, size_t index, internal::v1::EmbeddingSource* source) {
  const RequestImage& image = request_.prompt.images[request_.prompt.tokens.images[index].image];
  const std::string key(image.key.digest.begin(), image.key.digest.end());
  source->set_picture(static_cast<uint32_t>(index));
  if (pictures_[index].tries == 0 && attempt->decoder->HasEmbedding(key)) {
    ++pictures_[index].tries;
    context_.metrics->ImageCached();
    return;
  }
  ++pictures_[index].tries;
  pictures_[index].encoding = true;
  const std::string digest(request_.card->digest().begin(), request_.card->digest().end());
  auto encoder = std::make_shared<WorkLease>(context_.workers->PickEncoder(digest, key, image.tiles, pictures_[index].failed_encoders));
  if (*encoder) source->set_address((*encoder)->address());
  IoRuntime::Spawn(stream_->strand(), EncodePicture(shared_from_this(), attempt, index, std::move(encoder)));
}

// Until some encoder has the picture, or it is shown to be impossible. `encoder` is the first to try; it may be empty.
Task<void> RequestSession::EncodePicture(std::shared_ptr<RequestSession> self,
                                         std::shared_ptr<Attempt> attempt,
                                         size_t index,
                                         std::shared_ptr<WorkLease> encoder) {
  const RequestImage& image = self->request_.prompt.images[self->request_.prompt.tokens.images[index].image];
  const std::string key(image.key.digest.begin(), image.key.digest.end());
  const std::string digest(self->request_.card->digest().begin(), self->request_.card->digest().end());
  const std::shared_ptr<ChangeSignal::Waiter> waiter = self->context_.workers->changes().Subscribe(self->stream_->strand());
  const TimePoint patience = std::min(self->stream_->info().deadline, std::chrono::steady_clock::now() + self->context_.worker_wait);
  bool announced = static_cast<bool>(*encoder);
  Status last = WithReason(Unavailable("no encoder of model '{}' is ready", self->request_.model), "NO_ENCODER");
  while (!attempt->over) {
    Picture& picture = self->pictures_[index];
    if (!*encoder) *encoder = self->context_.workers->PickEncoder(digest, key, image.tiles, picture.failed_encoders);
    if (!*encoder) {
      const TimePoint now = std::chrono::steady_clock::now();
      if (now >= patience) {
        self->Fail(*attempt, last);
        co_return;
      }
      picture.failed_encoders.clear();
      Task<void> wait = waiter->Wait(std::min(patience, now + std::chrono::milliseconds(200)));
      co_await std::move(wait);
      continue;
    }
    if (!announced) SendSource(*attempt, index, (*encoder)->address());
    announced = true;
    Task<StatusOr<internal::v1::EncodeResponse>> call = CallEncoder(self, encoder, index, attempt->decoder->incarnation());
    const StatusOr<internal::v1::EncodeResponse> response = co_await std::move(call);
    if (attempt->over) co_return;
    if (response.ok()) {
      self->pictures_[index].encoding = false;
      if (std::exchange(self->pictures_[index].wanted, false)) SendSource(*attempt, index, (*encoder)->address());
      self->clock_.Encoded(*response);
      self->context_.metrics->ImageEncoded();
      if (self->request_.options.progress && !self->relay_.has_output()) {
        (void)self->SendProgress(v1::Progress::STAGE_ENCODING, ++self->encoded_pictures_, self->pictures_.size());
      }
      co_return;
    }
    last = response.status();
    const bool elsewhere = last.code() == StatusCode::kUnavailable || last.code() == StatusCode::kResourceExhausted ||
                           last.code() == StatusCode::kUnknown || last.code() == StatusCode::kCancelled;
    if (!elsewhere) {
      const std::string field = fmt::format("prompt.images[{}]", self->request_.prompt.tokens.images[index].image);
      self->Fail(*attempt, WithReason(WithContext(field, last), ReasonOf(last).empty() ? "IMAGE" : ReasonOf(last), field));
      co_return;
    }
    spdlog::warn("request {}: encoder {} failed: {}", LogId(self->request_.id), (*encoder)->id(), Message(last));
    if (const Status verdict = IsDeath(last) ? self->NoteDeath(*encoder->worker()) : OkStatus(); !verdict.ok()) {
      self->Fail(*attempt, verdict);
      co_return;
    }
    self->pictures_[index].failed_encoders.insert((*encoder)->incarnation());
    *encoder = {};
    announced = false;
  }
}

// Bytes are sent only where the encoder is not known to have the picture already.
Task<StatusOr<internal::v1::EncodeResponse>> RequestSession::CallEncoder(std::shared_ptr<RequestSession> self,
                                                                         std::shared_ptr<WorkLease> encoder,
                                                                         size_t index,
                                                                         uint64_t decoder) {
  constexpr std::chrono::minutes kLongest{2};
  const ImageSpan& span = self->request_.prompt.tokens.images[index];
  const RequestImage& image = self->request_.prompt.images[span.image];
  const std::string key(image.key.digest.begin(), image.key.digest.end());
  const TimePoint deadline = std::min<TimePoint>(self->stream_->info().deadline, std::chrono::steady_clock::now() + kLongest);
  auto stub = std::shared_ptr(internal::v1::Encoder::NewStub(self->context_.channels->Get((*encoder)->address(), ChannelPool::Purpose::kBulk)));
  bool known = (*encoder)->HasEmbedding(key);
  while (true) {
    internal::v1::EncodeRequest request;
    request.set_key(key);
    if (!known) request.set_image(*image.image.file);
    request.set_max_tiles(image.max_tiles);
    request.set_expected_rows(span.rows);
    request.set_card_digest(std::string(self->request_.card->digest().begin(), self->request_.card->digest().end()));
    request.set_request_id(self->request_.id);
    request.set_incarnation((*encoder)->incarnation());
    request.set_decoder(decoder);
    Task<StatusOr<internal::v1::EncodeResponse>> call = CallUnary<internal::v1::EncodeResponse>(
        self->Options(deadline), std::move(request),
        [stub](auto* context, auto* request, auto* response, auto done) { stub->async()->Encode(context, request, response, std::move(done)); });
    StatusOr<internal::v1::EncodeResponse> response = co_await std::move(call);
    if (response.ok()) (*encoder)->RememberEmbedding(key);
    if (!known || response.status().code() != StatusCode::kNotFound) co_return response;
    (*encoder)->ForgetEmbedding(key);
    known = false;
  }
}

Status RequestSession::Handle(const std::shared_ptr<Attempt>& attempt, const DecodeEvent& event) {
  switch (event.event_case()) {
    case DecodeEvent::kAdmitted:
      attempt->admitted = true;
      return started_ ? OkStatus() : HandleAdmitted(event.admitted());
    case DecodeEvent::kTokens: {
      const TimePoint now = std::chrono::steady_clock::now();
      clock_.TokenSeen(now);
      attempt->decoder.FirstTokenSeen();
      if (!identity_) identity_ = attempt->decoder->registration().model();
      if (last_tokens_) {
        context_.metrics->TokenGap(now - *last_tokens_);
      } else {
        context_.metrics->FirstToken(now - clock_.accepted());
      }
      last_tokens_ = now;
      TRIPTYCH_ASSIGN_OR_RETURN(OutputRelay::Step step, relay_.OnTokens(event.tokens()));
      return Relay(attempt, std::move(step));
    }
    case DecodeEvent::kFinished: {
      TRIPTYCH_ASSIGN_OR_RETURN(OutputRelay::Step step, relay_.OnFinished(event.finished(), Timings(&event.finished().timings())));
      return Relay(attempt, std::move(step));
    }
    case DecodeEvent::kEmbeddingFailed: {
      const internal::v1::EmbeddingFailed& failed = event.embedding_failed();
      constexpr int kMaxTries = 8;
      if (failed.picture() >= pictures_.size()) return Internal("the decoder speaks of picture {} of {}", failed.picture(), pictures_.size());
      if (pictures_[failed.picture()].encoding) {  // it is told again where to look once that is over
        pictures_[failed.picture()].wanted = true;
        return OkStatus();
      }
      if (pictures_[failed.picture()].tries >= kMaxTries) {
        return WithReason(Unavailable("the rows of picture {} could not be had: {}", failed.picture(), failed.message()), "PICTURE_UNAVAILABLE");
      }
      DecodeRequest request;
      StartPicture(attempt, failed.picture(), request.mutable_source());
      if (!request.source().address().empty()) DecodeCall::Send(attempt->call, std::move(request));
      return OkStatus();
    }
    case DecodeEvent::kProgress:
      if (!request_.options.progress || relay_.has_output()) return OkStatus();
      return SendProgress(event.progress().stage(), event.progress().done(), event.progress().total());
    case DecodeEvent::EVENT_NOT_SET: break;
  }
  return OkStatus();
}

Status RequestSession::HandleAdmitted(const internal::v1::Admitted& admitted) {
  started_ = true;
  v1::GenerateEvent event;
  v1::Started* started = event.mutable_started();
  started->set_request_id(request_.id);
  started->set_model(request_.model);
  started->set_seed(request_.options.sampling.seed());
  started->set_prompt_tokens(request_.prompt.prompt_tokens());
  started->set_image_tokens(request_.prompt.image_tokens);
  started->set_cached_tokens(admitted.cached_tokens());
  return outgoing_.Push(std::move(event));
}

Status RequestSession::Relay(const std::shared_ptr<Attempt>& attempt, OutputRelay::Step step) {
  for (v1::GenerateEvent& event : step.events) {
    if (event.has_delta()) context_.metrics->TokensRelayed(event.delta().token_ids_size());
    TRIPTYCH_RETURN_IF_ERROR(outgoing_.Push(std::move(event)));
  }
  for (internal::v1::StopSequence& stop : step.stops) {
    DecodeRequest request;
    *request.mutable_stop_sequence() = std::move(stop);
    DecodeCall::Send(attempt->call, std::move(request));
  }
  return OkStatus();
}

Status RequestSession::SendProgress(v1::Progress::Stage stage, size_t done, size_t total) {
  v1::GenerateEvent event;
  event.mutable_progress()->set_stage(stage);
  event.mutable_progress()->set_done(static_cast<uint32_t>(done));
  event.mutable_progress()->set_total(static_cast<uint32_t>(total));
  return outgoing_.Push(std::move(event));
}

v1::Timings RequestSession::Timings(const internal::v1::EngineTimings* engine) const {
  return clock_.At(std::chrono::steady_clock::now(), engine, migrations_);
}

}  // namespace triptych::router
