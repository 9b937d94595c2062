#include "tests/cluster/local_decoder.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "common/check.h"
#include "tests/cluster/await.h"

namespace triptych::cluster_test {
namespace {

constexpr int32_t kBlocks = 1024;

}  // namespace

Task<Status> LocalDecoder::CountingFetcher::Fetch(std::string address, EmbeddingKey key, int32_t rows, TimePoint deadline, std::string request_id) {
  if (fails_.exchange(false)) co_return Unavailable("the encoder cannot be reached");
  ++open_;
  Task<Status> fetch = puller_.Fetch(std::move(address), key, rows, deadline, std::move(request_id));
  const Status status = co_await std::move(fetch);
  --open_;
  co_return status;
}

LocalDecoder::LocalDecoder(const Surroundings& around, std::string id, uint64_t incarnation)
    : group_(kBlocks, around.card->vocab_size()),
      engine_({.num_blocks = kBlocks, .context_tokens = around.card->context_tokens()}, &group_, &clock_, &journal_),
      store_(1 << 20, around.card->hidden_size(),
             {.on_rows = [this](const EmbeddingKey& key, int32_t rows) { engine_.OnEmbeddingRows(key, rows); },
              .on_stored = [this](const EmbeddingKey& key) { journal_.OnEmbeddingStored(key); },
              .on_removed = [this](const EmbeddingKey& key) { journal_.OnEmbeddingRemoved(key); }}),
      fetcher_(around.channels, &store_, incarnation),
      service_(around.runtime, &journal_),
      shell_(around, std::move(id), incarnation, internal::v1::WORKER_ROLE_DECODER) {
  group_.Follow(around.script);
  group_.OnStep([this](const engine::StepPlan& plan) { OnStep(plan); });
  const Status status = engine_.Start();
  TRIPTYCH_CHECK(status.ok());
  context_.traits = {.incarnation = incarnation,
                     .identity = around.identity,
                     .vocab_size = around.card->vocab_size(),
                     .context_tokens = around.card->context_tokens(),
                     .bos = around.card->tokenizer().bos()};
  context_.engine = &engine_;
  context_.store = &store_;
  context_.fetcher = &fetcher_;
  service_.Open(&context_);
  shell_.Start(&service_, [this](internal::v1::Heartbeat& heartbeat) {
    heartbeat.set_steps(engine_.stats().steps);
    heartbeat.set_has_work(engine_.stats().live > 0);
  });
}

LocalDecoder::~LocalDecoder() { Stop(); }

void LocalDecoder::OnStep(const engine::StepPlan& plan) {
  const auto chooses = [](const engine::SequenceStep& step) { return step.sample.has_value(); };
  if (std::ranges::any_of(plan.sequences, chooses) && steps_left_ > 0 && --steps_left_ == 0) group_.Hold(true);
  for (const engine::SequenceStep& step : plan.sequences) {
    const int32_t left = std::clamp<int32_t>(step.prompt_tokens - step.first_position, 0, static_cast<int32_t>(step.tokens.size()));
    const auto end = step.tokens.begin() + left;
    if (std::find(step.tokens.begin(), end, deadly_.load()) != end) group_.Fail(Unavailable("a rank is lost"));
  }
}

void LocalDecoder::Release() {
  steps_left_ = -1;
  group_.Hold(false);
}

void LocalDecoder::FailGroup() {
  group_.Fail(Unavailable("a rank is lost"));
  Release();
}

// The gauges alone do not do: a request is accepted before the engine thread takes it in.
bool LocalDecoder::at_rest() const {
  const engine::EngineStats& now = stats();
  return now.accepted == now.completed + now.failed + now.cancelled && now.live == 0 && now.running == 0 && now.waiting == 0 && now.used_blocks == 0;
}

// Step by step, with pauses, so that no stream comes to its own end before the engine does.
void LocalDecoder::EndStreams() {
  constexpr std::chrono::milliseconds kPause{1};
  TimePoint next_step = clock_.Now();
  std::atomic<bool> ended{false};
  std::thread stop([&] {
    engine_.Stop();
    ended = true;
  });
  AwaitTrue("the engine stops", [&] {
    if (ended || clock_.Now() < next_step) return ended.load();
    next_step = clock_.Now() + kPause;
    steps_left_ = 1;
    group_.Hold(false);
    return false;
  });
  stop.join();
}

void LocalDecoder::Stop() {
  shell_.Stop();
  Release();
  engine_.Stop();
  AwaitTrue("fetches end", [this] { return fetcher_.open() == 0; });
}

}  // namespace triptych::cluster_test
