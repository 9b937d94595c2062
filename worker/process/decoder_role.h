#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "common/async/io_runtime.h"
#include "common/clock.h"
#include "common/rpc/channel_pool.h"
#include "common/rpc/server.h"
#include "triptych/internal/v1/cluster.pb.h"
#include "worker/engine/engine_loop.h"
#include "worker/process/cache_journal.h"
#include "worker/process/decoder_service.h"
#include "worker/process/embedding_puller.h"
#include "worker/process/metrics.h"
#include "worker/process/model_parts.h"
#include "worker/process/rate_meter.h"
#include "worker/process/shard_service.h"
#include "worker/process/token_table_service.h"
#include "worker/shard/follower_loop.h"
#include "worker/shard/store_embedding_source.h"

namespace triptych::worker {

// All that makes a process a decoder: a whole shard group, its leader, or a follower. Legal order: construct, AddTo the server, Load (on
// any thread), Drain, EndStreams, Stop (idempotent, also during Load, from another thread).
class DecoderRole {
 public:
  DecoderRole(const WorkerConfig& config,
              const ModelParts* model,
              uint64_t incarnation,
              IoRuntime* runtime,
              ChannelPool* channels,
              const Clock* clock);
  ~DecoderRole();

  void AddTo(RpcServer& server);
  // Loads all ranks of this process; returns when those elsewhere have loaded too. `form` is what the coordinator said of the
  // group's parts; a group that is whole in this process has none.
  Status Load(const internal::v1::FormGroup& form);
  Status health() const;  // why its group failed, or OK
  void Drain() { service_.Drain(); }
  bool idle() const { return service_.open_streams() == 0; }
  // Fails what still runs, with a reason by which routers see that it may go on elsewhere.
  void EndStreams();
  void Stop();

  void Show(Metrics& metrics) const;
  void ShowEngine(Metrics& metrics) const;                // after Load; a follower has none
  void Report(internal::v1::Heartbeat& heartbeat) const;  // any thread

 private:
  bool whole() const { return config_.num_ranks == config_.tensor_parallel; }
  bool leads() const { return config_.first_rank == 0; }
  // Rank threads of this process meet in its memory, processes through Gloo, CUDA's ranks through NCCL.
  using MakeCommunicator = decltype(shard::RankParts::make_communicator);
  MakeCommunicator CommunicatorMaker(const internal::v1::FormGroup& form);
  shard::RankParts MakeParts(const internal::v1::FormGroup& form);
  shard::RankGroupOptions GroupOptions() const;
  std::shared_ptr<engine::ShardGroup> MakeGroup(const internal::v1::FormGroup& form);
  Status LoadFollower(const internal::v1::FormGroup& form);
  Status LoadLeader(const internal::v1::FormGroup& form);
  engine::EngineOptions EngineOptionsOf() const;

  const WorkerConfig config_;
  const ModelParts& model_;
  IoRuntime& runtime_;
  ChannelPool& channels_;
  const Clock* const clock_;
  CacheJournal journal_;
  mutable RateMeter output_rate_{std::chrono::seconds(5)};
  std::atomic<engine::EngineLoop*> live_engine_{nullptr};  // once it runs; for the store's observer
  vision::EmbeddingStore store_;
  shard::StoreEmbeddingSource embedding_source_{&store_};
  EmbeddingPuller puller_;
  DecodeContext context_;
  DecoderService service_;
  ShardService shard_service_;
  TokenTableService token_table_service_;

  mutable std::mutex mutex_;
  bool stopped_ = false;                              // guarded by mutex_, as all below
  Status failure_;
  std::shared_ptr<engine::ShardGroup> group_;         // of a leader
  std::unique_ptr<engine::EngineLoop> engine_;        // made with the group
  std::shared_ptr<shard::FollowerLoop> follower_;
};

}  // namespace triptych::worker
