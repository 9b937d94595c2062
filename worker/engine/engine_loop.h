#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include "common/clock.h"
#include "common/status.h"
#include "worker/engine/request.h"
#include "worker/engine/shard_group.h"

namespace triptych::engine {

struct EngineOptions {
  int32_t num_blocks = 0;
  int32_t max_sequences = 64;       // running at once
  int32_t max_step_tokens = 512;    // token budget of a step: decode tokens first, prefill chunks in what is left
  int32_t max_chunk_tokens = 512;   // of one sequence's prefill in one step
  int32_t max_waiting = 1024;       // requests; more is kResourceExhausted
  int32_t context_tokens = 0;
  bool prefix_cache = true;
  // Positions at or beyond this are never shared as output blocks, and prompts longer than this only between equal lengths: the rotary
  // base hangs on the length there (dynamic NTK). 0: no such length.
  int32_t rotary_trained_tokens = 0;
};

// Counters and gauges, written by the engine thread, read by any.
struct EngineStats {
  std::atomic<uint64_t> steps{0};             // finished: the progress that liveness goes by
  std::atomic<uint64_t> accepted{0}, completed{0}, failed{0}, cancelled{0};   // requests; accepted = the rest + live
  std::atomic<int64_t> live{0}, running{0}, waiting{0}, waiting_prefill_tokens{0};
  std::atomic<int64_t> free_blocks{0}, used_blocks{0}, cached_blocks{0};       // used: referenced by a live sequence
  std::atomic<uint64_t> prefix_hit_tokens{0}, prompt_tokens{0}, output_tokens{0}, preemptions{0};
  std::atomic<uint64_t> cancel_steps{0};      // finished between the calls of Cancel and their taking effect
};

// Told of blocks that the prefix cache stores and drops, by their chain hash. Engine thread; must not block.
class PrefixCacheObserver {
 public:
  virtual ~PrefixCacheObserver() = default;
  virtual void OnBlocksStored(std::vector<uint64_t> hashes) = 0;
  virtual void OnBlocksRemoved(std::vector<uint64_t> hashes) = 0;
};

// The engine thread: owns scheduler, sequences and blocks, drives the shard group step by step. Requests come and go through a bounded
// mailbox. Start() after the group is ready; Stop() is idempotent and fails what is left with kUnavailable (reason ENGINE_STOPPED); both from
// the owner's thread.
class EngineLoop {
 public:
  EngineLoop(EngineOptions options, ShardGroup* group, const Clock* clock, PrefixCacheObserver* observer);
  ~EngineLoop();

  Status Start();
  void Stop();

  // Any thread. kResourceExhausted when the mailbox or the waiting line is full, kInvalidArgument when it can never fit, kUnavailable (reason
  // ENGINE_STOPPED) once it has stopped or its group failed. After an OK, the sink hears of it until it ends.
  Status Submit(std::unique_ptr<Request> request, std::shared_ptr<RequestSink> sink);
  void Cancel(RequestId id);                              // blocks are free within two steps
  void StopSequence(RequestId id, int32_t sequence);      // a stop string was found in its text
  void OnEmbeddingRows(const EmbeddingKey& key, int32_t rows);  // so many rows, from the first, are in the embedding store
  void FailRequest(RequestId id, Status why);             // for example its picture cannot be had

  const EngineStats& stats() const { return stats_; }
  Status health() const;  // any thread: why the group failed, or OK

 private:
  struct Impl;
  EngineStats stats_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace triptych::engine
