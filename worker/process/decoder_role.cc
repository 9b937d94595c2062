#include "worker/process/decoder_role.h"

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>

#include "common/log/log.h"
#include "worker/comm/gloo.h"
#include "worker/comm/local.h"
#include "worker/comm/local_rendezvous.h"
#include "worker/comm/nccl.h"
#include "worker/process/watched_loading.h"
#include "worker/shard/distributed_shard_group.h"

namespace triptych::worker {

using internal::v1::FormGroup;

DecoderRole::DecoderRole(const WorkerConfig& config,
                         const ModelParts* model,
                         uint64_t incarnation,
                         IoRuntime* runtime,
                         ChannelPool* channels,
                         const Clock* clock)
    : config_(config),
      model_(*model),
      runtime_(*runtime),
      channels_(*channels),
      clock_(clock),
      store_(config.embedding_cache_bytes,
             model->card->hidden_size(),
             {.on_rows =
                  [this](const EmbeddingKey& key, int32_t rows) {
                    if (engine::EngineLoop* engine = live_engine_) engine->OnEmbeddingRows(key, rows);
                  },
              .on_stored = [this](const EmbeddingKey& key) { journal_.OnEmbeddingStored(key); },
              .on_removed = [this](const EmbeddingKey& key) { journal_.OnEmbeddingRemoved(key); }}),
      puller_(channels, &store_, incarnation),
      service_(runtime, &journal_),
      shard_service_(runtime,
                     {.on_plan =
                          [this](const std::string& plan) {
                            std::unique_lock lock(mutex_);
                            const auto follower = follower_;
                            lock.unlock();
                            if (follower) follower->OnPlan(plan);
                          },
                      .on_broken =
                          [this](Status why) {
                            std::unique_lock lock(mutex_);
                            const auto follower = follower_;
                            lock.unlock();
                            if (follower) follower->Fail(why);
                          }}),
      token_table_service_(runtime,
                           &model->identity,
                           model->loader.get(),
                           model->card->vocab_size(),
                           model->card->hidden_size()) {
  context_.traits = {.incarnation = incarnation,
                     .identity = model->identity,
                     .vocab_size = model->card->vocab_size(),
                     .context_tokens = model->card->context_tokens(),
                     .bos = model->card->tokenizer().bos(),
                     .adapters = {model->card->adapters().begin(), model->card->adapters().end()}};
  context_.store = &store_;
  context_.fetcher = &puller_;
}

DecoderRole::~DecoderRole() { Stop(); }

void DecoderRole::AddTo(RpcServer& server) {
  server.AddService(&service_);
  server.AddService(&shard_service_);
  server.AddService(&token_table_service_);
}

shard::RankGroupOptions DecoderRole::GroupOptions() const {
  return {.world_size = config_.tensor_parallel,
          .first_rank = config_.first_rank,
          .num_ranks = config_.num_ranks,
          .device = model_.device,
          .bounds = {.num_blocks = config_.kv_blocks,
                     .vocab_size = model_.card->vocab_size(),
                     .num_adapters = std::max(1, static_cast<int32_t>(model_.card->adapters().size()))},
          .collective_stall = config_.step_stall};
}

DecoderRole::MakeCommunicator DecoderRole::CommunicatorMaker(const FormGroup& form) {
  const int size = config_.tensor_parallel;
  const bool on_cpu = model_.device == at::kCPU;
  if (whole() && (on_cpu || size == 1)) {
    auto group = std::make_shared<std::vector<std::unique_ptr<comm::Communicator>>>(comm::MakeLocalGroup(size));
    return [group](int rank) -> StatusOr<std::unique_ptr<comm::Communicator>> { return std::move((*group)[rank]); };
  }
  std::shared_ptr<comm::Rendezvous> rendezvous = std::make_shared<comm::LocalRendezvous>();
  if (!whole()) rendezvous = std::make_shared<CoordinatorRendezvous>(&channels_, config_.coordinator.ToString(), form.group_id());
  if (!on_cpu) return [rendezvous, size](int rank) { return comm::ConnectNccl({.rank = rank, .size = size}, rendezvous.get()); };
  const std::string host = config_.advertise.empty() ? config_.listen.host : config_.advertise;
  return [rendezvous, host, size](int rank) { return comm::ConnectGloo({.rank = rank, .size = size, .host = host}, rendezvous.get()); };
}

shard::RankParts DecoderRole::MakeParts(const FormGroup& form) {
  shard::RankParts parts;
  parts.make_communicator = CommunicatorMaker(form);
  parts.make_runner = [this](comm::Communicator& communicator, at::Device device) {
    const std::string who = fmt::format("rank {} of {}", communicator.rank(), communicator.size());
    return LoadWatched<std::unique_ptr<model::ModelRunner>>(who, *model_.loader, *clock_, [&](const weights::WeightLoader& loader) {
      return model::MakeModelRunner(model_.dir, loader, config_.kv_blocks,
                                    {.communicator = &communicator,
                                     .device = device,
                                     .dtype = model_.dtype,
                                     .quantization = model_.quantization});
    });
  };
  parts.embeddings = &embedding_source_;
  parts.hidden_size = model_.card->hidden_size();
  std::memcpy(&parts.fingerprint, model_.identity.weights_digest().data(), sizeof(parts.fingerprint));
  parts.fingerprint ^= static_cast<uint64_t>(model_.quantization.bits);  // ranks in other processes must round as these do
  const auto cores = static_cast<int32_t>(std::max(1u, std::thread::hardware_concurrency()));
  parts.num_threads = config_.threads_per_rank > 0 ? config_.threads_per_rank : std::max(1, cores / config_.num_ranks);
  return parts;
}

engine::EngineOptions DecoderRole::EngineOptionsOf() const {
  return {.num_blocks = config_.kv_blocks,
          .max_sequences = config_.max_sequences,
          .max_step_tokens = config_.max_step_tokens,
          .max_chunk_tokens = config_.max_chunk_tokens,
          .max_waiting = config_.max_waiting,
          .context_tokens = model_.card->context_tokens(),
          .prefix_cache = config_.prefix_cache,
          .rotary_trained_tokens = static_cast<int32_t>(model_.facts.rotary_trained_tokens)};
}

std::shared_ptr<engine::ShardGroup> DecoderRole::MakeGroup(const FormGroup& form) {
  if (whole()) return std::make_shared<shard::RankGroup>(GroupOptions(), MakeParts(form), clock_);
  // The channels' callbacks come from other threads and may outlive the group.
  auto leader = std::make_shared<std::weak_ptr<shard::DistributedShardGroup>>();
  auto mutex = std::make_shared<std::mutex>();
  std::vector<std::unique_ptr<shard::PlanChannel>> followers;
  for (const FormGroup::Member& member : form.members()) {
    if (member.first_rank() == 0) continue;
    followers.push_back(std::make_unique<GrpcPlanChannel>(&runtime_, &channels_, member.address(), form.group_id(), [leader, mutex](Status why) {
      std::unique_lock lock(*mutex);
      const auto group = leader->lock();
      lock.unlock();
      if (group) group->FollowerFailed(why);
    }));
  }
  auto group = std::make_shared<shard::DistributedShardGroup>(GroupOptions(), MakeParts(form), std::move(followers), clock_);
  std::lock_guard lock(*mutex);
  *leader = group;
  return group;
}

Status DecoderRole::Load(const FormGroup& form) { return leads() ? LoadLeader(form) : LoadFollower(form); }

Status DecoderRole::LoadLeader(const FormGroup& form) {
  std::shared_ptr<engine::ShardGroup> group = MakeGroup(form);
  {
    std::lock_guard lock(mutex_);
    if (stopped_) return Cancelled("stopped");
    group_ = group;
    engine_ = std::make_unique<engine::EngineLoop>(EngineOptionsOf(), group.get(), clock_, &journal_);
  }
  TRIPTYCH_RETURN_IF_ERROR(group->Start());
  std::lock_guard lock(mutex_);
  if (stopped_) return Cancelled("stopped");
  TRIPTYCH_RETURN_IF_ERROR(engine_->Start());
  context_.engine = engine_.get();
  live_engine_ = engine_.get();
  service_.Open(&context_);
  return OkStatus();
}

Status DecoderRole::LoadFollower(const FormGroup& form) {
  shard::FollowerLoop::Events events{.on_step_done = [](uint64_t) {},
                                     .on_failed = [this](const Status& why) {
                                       std::lock_guard lock(mutex_);
                                       if (failure_.ok()) failure_ = why;
                                     }};
  auto follower = std::make_shared<shard::FollowerLoop>(GroupOptions(), MakeParts(form), std::move(events), clock_);
  {
    std::lock_guard lock(mutex_);
    if (stopped_) return Cancelled("stopped");
    follower_ = follower;
  }
  shard_service_.Expect(form.group_id());
  return follower->Start();
}

Status DecoderRole::health() const {
  std::lock_guard lock(mutex_);
  if (!failure_.ok()) return failure_;
  const engine::EngineLoop* engine = live_engine_;
  return engine == nullptr ? OkStatus() : engine->health();
}

void DecoderRole::EndStreams() {
  if (engine::EngineLoop* engine = live_engine_) engine->Stop();
}

void DecoderRole::Stop() {
  std::unique_lock lock(mutex_);
  stopped_ = true;
  const auto group = group_;
  const auto follower = follower_;
  lock.unlock();
  EndStreams();
  if (group) group->Stop();
  if (follower) follower->Stop();
}

void DecoderRole::Show(Metrics& metrics) const { metrics.ShowStore("decoder", store_); }

void DecoderRole::ShowEngine(Metrics& metrics) const {
  if (const engine::EngineLoop* engine = live_engine_) metrics.ShowEngine(engine->stats(), config_.kv_blocks);
}

void DecoderRole::Report(internal::v1::Heartbeat& heartbeat) const {
  const engine::EngineLoop* engine = live_engine_;
  internal::v1::Load& load = *heartbeat.mutable_load();
  load.set_embedding_bytes(load.embedding_bytes() + static_cast<uint64_t>(store_.bytes()));
  if (engine == nullptr) return;
  const engine::EngineStats& stats = engine->stats();
  heartbeat.set_steps(heartbeat.steps() + stats.steps);
  heartbeat.set_has_work(heartbeat.has_work() || stats.live > 0);
  load.set_running_sequences(static_cast<uint32_t>(stats.running.load()));
  load.set_waiting_sequences(static_cast<uint32_t>(stats.waiting.load()));
  load.set_waiting_prefill_tokens(static_cast<uint32_t>(stats.waiting_prefill_tokens.load()));
  load.set_used_kv_blocks(static_cast<uint32_t>(stats.used_blocks.load()));
  load.set_tokens_per_second(output_rate_.Read(stats.output_tokens, clock_->Now()));
}

}  // namespace triptych::worker
