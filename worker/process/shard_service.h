#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "common/async/change_signal.h"
#include "common/async/io_runtime.h"
#include "common/rpc/channel_pool.h"
#include "common/rpc/server_call.h"
#include "triptych/internal/v1/decoder.grpc.pb.h"
#include "worker/comm/rendezvous.h"
#include "worker/shard/plan_channel.h"

namespace triptych::worker {

// A follower's end of its leader's stream of plans. `on_plan` runs on the stream's strand, `on_broken` when the leader's stream ends.
class ShardService final : public internal::v1::Shard::CallbackService {
 public:
  struct Events {
    std::function<void(const std::string& plan)> on_plan;
    std::function<void(Status)> on_broken;
  };
  ShardService(IoRuntime* runtime, Events events) : runtime_(*runtime), events_(std::move(events)) {}

  // Who may lead, once. A leader that comes earlier waits for this: it may have heard first that their group is formed.
  void Expect(std::string group_id);
  grpc::ServerBidiReactor<internal::v1::ShardStep, internal::v1::ShardStepDone>* Run(
      grpc::CallbackServerContext* context) override;

 private:
  using Stream = ServerStream<internal::v1::ShardStep, internal::v1::ShardStepDone>;
  static Task<Status> Follow(ShardService* self, std::shared_ptr<Stream> stream);
  static Task<Status> AwaitAdmission(ShardService* self, std::shared_ptr<Stream> stream, std::string group_id);
  std::optional<bool> Admits(const std::string& group_id);  // nothing: not known yet

  IoRuntime& runtime_;
  const Events events_;
  ChangeSignal expecting_;
  std::mutex mutex_;
  std::string group_id_;  // guarded by mutex_
  bool led_ = false;      // guarded by mutex_: one leader, once
};

// The leader's end. A broken stream is told once, on the channel's strand.
class GrpcPlanChannel final : public shard::PlanChannel {
 public:
  GrpcPlanChannel(IoRuntime* runtime,
                  ChannelPool* channels,
                  std::string address,
                  std::string group_id,
                  std::function<void(Status)> on_broken);
  ~GrpcPlanChannel() override;
  Status Send(uint64_t step, const std::string& plan) override;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Rendezvous values kept by the coordinator. Blocks: for rank threads.
class CoordinatorRendezvous final : public comm::Rendezvous {
 public:
  CoordinatorRendezvous(ChannelPool* channels, std::string coordinator, std::string group_id)
      : channels_(*channels), coordinator_(std::move(coordinator)), group_id_(std::move(group_id)) {}
  Status Put(std::string_view key, std::string value) override;
  StatusOr<std::string> Get(std::string_view key, TimePoint deadline) override;

 private:
  ChannelPool& channels_;
  const std::string coordinator_;
  const std::string group_id_;
};

}  // namespace triptych::worker
