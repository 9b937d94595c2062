#pragma once

#include <atomic>
#include <string>

#include "common/clock.h"
#include "tests/cluster/worker_shell.h"
#include "tests/fakes/fake_shard_group.h"
#include "worker/engine/engine_loop.h"
#include "worker/process/cache_journal.h"
#include "worker/process/decoder_service.h"
#include "worker/process/embedding_puller.h"

namespace triptych::cluster_test {

// A decoder worker: the real service, engine and embedding cache over a fake shard group.
class LocalDecoder {
 public:
  LocalDecoder(const Surroundings& around, std::string id, uint64_t incarnation);
  ~LocalDecoder();

  // The shard group stands still once it has made so many more steps that chose a token.
  void HoldAfter(int64_t steps) { steps_left_ = steps; }
  bool holding() const { return steps_left_ == 0; }
  void Release();
  void FailGroup();                             // a rank is lost: its streams end, and the engine with them
  void DieOf(TokenId token) { deadly_ = token; }  // the group fails in the step that computes a prompt with this token
  void FailNextFetch() { fetcher_.FailNext(); }  // of picture rows, as if their encoder could not be reached
  void Kill() { shell_.Kill(); }                // its process
  void EndStreams();                            // as a process that has drained for as long as it may
  void Stop();                                  // idempotent

  const WorkerShell& shell() const { return shell_; }
  const engine::EngineStats& stats() const { return engine_.stats(); }
  bool at_rest() const;  // accepted = completed + failed + cancelled, and nothing is held
  Status health() const { return engine_.health(); }
  bool next_fetch_fails() const { return fetcher_.fails(); }
  int64_t open_streams() const { return service_.open_streams(); }
  vision::EmbeddingStore& store() { return store_; }

 private:
  // Counts the fetches that are under way, so that Stop can wait for them.
  class CountingFetcher final : public worker::EmbeddingFetcher {
   public:
    CountingFetcher(ChannelPool* channels, vision::EmbeddingStore* store, uint64_t incarnation) : puller_(channels, store, incarnation) {}
    Task<Status> Fetch(std::string address, EmbeddingKey key, int32_t rows, TimePoint deadline, std::string request_id) override;
    int open() const { return open_; }
    void FailNext() { fails_ = true; }
    bool fails() const { return fails_; }       // the next one will

   private:
    worker::EmbeddingPuller puller_;
    std::atomic<int> open_{0};
    std::atomic<bool> fails_{false};
  };
  void OnStep(const engine::StepPlan& plan);

  SteadyClock clock_;
  std::atomic<int64_t> steps_left_{-1};   // negative: not held
  std::atomic<TokenId> deadly_{-2};
  worker::CacheJournal journal_;
  fakes::FakeShardGroup group_;
  engine::EngineLoop engine_;
  vision::EmbeddingStore store_;
  CountingFetcher fetcher_;
  worker::DecodeContext context_;
  worker::DecoderService service_;
  WorkerShell shell_;
};

}  // namespace triptych::cluster_test
