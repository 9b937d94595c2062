#include "worker/process/shard_service.h"

#include <deque>
#include <optional>
#include <utility>

#include <boost/asio/post.hpp>

#include "common/async/rpc_call.h"
#include "common/rpc/grpc_status.h"
#include "triptych/internal/v1/cluster.grpc.pb.h"

namespace triptych::worker {

using internal::v1::Cluster;
using internal::v1::Shard;
using internal::v1::ShardStep;
using internal::v1::ShardStepDone;

namespace {

constexpr std::chrono::seconds kLongestForming{30};  // between two members' hearing of it

}  // namespace

grpc::ServerBidiReactor<ShardStep, ShardStepDone>* ShardService::Run(grpc::CallbackServerContext* context) {
  return ServeBidi<ShardStep, ShardStepDone>(
      runtime_, context, [this](std::shared_ptr<Stream> stream) { return Follow(this, std::move(stream)); });
}

void ShardService::Expect(std::string group_id) {
  {
    std::lock_guard lock(mutex_);
    group_id_ = std::move(group_id);
  }
  expecting_.Notify();
}

std::optional<bool> ShardService::Admits(const std::string& group_id) {
  std::lock_guard lock(mutex_);
  if (group_id_.empty()) return std::nullopt;
  if (led_ || group_id != group_id_) return false;
  led_ = true;
  return true;
}

Task<Status> ShardService::AwaitAdmission(ShardService* self, std::shared_ptr<Stream> stream, std::string group_id) {
  const std::shared_ptr<ChangeSignal::Waiter> waiter = self->expecting_.Subscribe(stream->strand());
  stream->OnCancel([weak = std::weak_ptr(waiter)] {
    if (const auto waiter = weak.lock()) waiter->Wake();
  });
  const TimePoint patience = std::chrono::steady_clock::now() + kLongestForming;
  while (!stream->cancelled()) {
    const std::optional<bool> admitted = self->Admits(group_id);
    if (admitted == true) co_return OkStatus();
    if (admitted == false || std::chrono::steady_clock::now() >= patience) {
      co_return FailedPrecondition("this worker is not led as a part of '{}'", group_id);
    }
    Task<void> wait = waiter->Wait(patience);
    co_await std::move(wait);
  }
  co_return Cancelled("the leader is gone");
}

Task<Status> ShardService::Follow(ShardService* self, std::shared_ptr<Stream> stream) {
  std::optional<ShardStep> step = co_await stream->Read();
  if (!step) co_return Cancelled("the leader left before its first message");
  Task<Status> admission = AwaitAdmission(self, stream, step->group_id());
  const Status admitted = co_await std::move(admission);
  if (!admitted.ok()) co_return admitted;
  while (true) {
    step = co_await stream->Read();
    if (!step) break;
    self->events_.on_plan(step->plan());
  }
  self->events_.on_broken(Unavailable("the leader's stream of plans has ended"));
  co_return OkStatus();
}

struct GrpcPlanChannel::State : std::enable_shared_from_this<State> {
  using Stream = ClientStream<ShardStep, ShardStepDone>;
  static constexpr size_t kMaxUnsent = 64;  // two steps are in flight; more is a follower that hangs

  State(Strand s, std::function<void(Status)> broken) : strand(std::move(s)), on_broken(std::move(broken)) {}

  static Task<void> WriteAll(std::shared_ptr<State> self) {
    while (!self->unsent.empty() && !self->closed) {
      ShardStep step = std::move(self->unsent.front());
      self->unsent.pop_front();
      Task<bool> write = self->stream->Write(std::move(step));
      const bool written = co_await std::move(write);
      if (!written) break;
    }
    self->writing = false;
  }
  // Nothing but the stream's end is read.
  static Task<void> ReadAll(std::shared_ptr<State> self, std::shared_ptr<Stream> stream) {
    while (true) {
      std::optional<ShardStepDone> done = co_await stream->Read();
      if (!done) break;
    }
    if (!self->closed) self->on_broken(Unavailable("a follower's stream of plans has ended"));
  }
  void Push(ShardStep step) {
    if (closed) return;
    if (unsent.size() >= kMaxUnsent) {
      on_broken(Unavailable("a follower does not keep up"));
      return;
    }
    unsent.push_back(std::move(step));
    if (writing) return;
    writing = true;
    IoRuntime::Spawn(strand, WriteAll(shared_from_this()));
  }

  const Strand strand;
  const std::function<void(Status)> on_broken;
  std::shared_ptr<Stream> stream;
  std::deque<ShardStep> unsent;
  bool writing = false;
  bool closed = false;
};

GrpcPlanChannel::GrpcPlanChannel(IoRuntime* runtime,
                                 ChannelPool* channels,
                                 std::string address,
                                 std::string group_id,
                                 std::function<void(Status)> on_broken)
    : state_(std::make_shared<State>(runtime->MakeStrand(), std::move(on_broken))) {
  auto stub = std::shared_ptr(Shard::NewStub(channels->Get(address, ChannelPool::Purpose::kControl)));
  asio::post(state_->strand, [state = state_, stub, group_id = std::move(group_id)] {
    state->stream = State::Stream::Start({CallOptions::kForever},
                                         [stub](auto* context, auto* reactor) { stub->async()->Run(context, reactor); });
    ShardStep first;
    first.set_group_id(group_id);
    state->Push(std::move(first));
    IoRuntime::Spawn(state->strand, State::ReadAll(state, state->stream));
  });
}

GrpcPlanChannel::~GrpcPlanChannel() {
  asio::post(state_->strand, [state = state_] {
    state->closed = true;
    if (state->stream) state->stream->Cancel();
  });
}

Status GrpcPlanChannel::Send(uint64_t step, const std::string& plan) {
  ShardStep message;
  message.set_step(step);
  message.set_plan(plan);
  asio::post(state_->strand, [state = state_, message = std::move(message)]() mutable { state->Push(std::move(message)); });
  return OkStatus();
}

Status CoordinatorRendezvous::Put(std::string_view key, std::string value) {
  internal::v1::PutValueRequest request;
  request.set_group_id(group_id_);
  request.set_key(std::string(key));
  request.set_value(std::move(value));
  internal::v1::PutValueResponse response;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  const auto stub = Cluster::NewStub(channels_.Get(coordinator_, ChannelPool::Purpose::kControl, kCoordinatorName));
  return FromGrpc(stub->PutValue(&context, request, &response));
}

StatusOr<std::string> CoordinatorRendezvous::Get(std::string_view key, TimePoint deadline) {
  internal::v1::GetValueRequest request;
  request.set_group_id(group_id_);
  request.set_key(std::string(key));
  internal::v1::GetValueResponse response;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()));
  const auto stub = Cluster::NewStub(channels_.Get(coordinator_, ChannelPool::Purpose::kControl, kCoordinatorName));
  TRIPTYCH_RETURN_IF_ERROR(FromGrpc(stub->GetValue(&context, request, &response)));
  return std::move(*response.mutable_value());
}

}  // namespace triptych::worker
