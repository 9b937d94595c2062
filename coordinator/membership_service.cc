#include "coordinator/membership_service.h"

#include <algorithm>
#include <utility>

#include <boost/asio/co_spawn.hpp>

#include "common/limits.h"
#include "common/log/log.h"
#include "common/rpc/outgoing_queue.h"

namespace triptych::coordinator {

using namespace internal::v1;  // NOLINT: this file is about little else

grpc::ServerBidiReactor<WorkerMessage, WorkerCommand>* MembershipService::Join(grpc::CallbackServerContext* context) {
  return ServeBidi<WorkerMessage, WorkerCommand>(runtime_, context,
                                                 [this](std::shared_ptr<JoinStream> stream) { return RunJoin(this, std::move(stream)); });
}

Task<Status> MembershipService::RunJoin(MembershipService* self, std::shared_ptr<JoinStream> stream) {
  std::optional<WorkerMessage> message = co_await stream->Read();
  if (!message || !message->has_register_()) co_return InvalidArgument("a worker's first message is its registration");
  auto outgoing = std::make_shared<OutgoingQueue<WorkerMessage, WorkerCommand>>(stream, kMaxUnsentBytesPerStream, kSlowReaderGrace);
  Membership::Send send = [strand = stream->strand(), weak = std::weak_ptr(outgoing)](WorkerCommand command) {
    asio::post(strand, [weak, command = std::move(command)]() mutable {
      if (const auto queue = weak.lock()) (void)queue->Push(std::move(command));  // a broken stream shows in Read
    });
  };
  TRIPTYCH_CO_ASSIGN_OR_RETURN(const Membership::SessionId session, self->membership_.Join(message->register_(), std::move(send)));
  Status status = OkStatus();
  while (status.ok()) {
    message = co_await stream->Read();
    if (!message) break;
    status = message->has_heartbeat() ? self->membership_.Beat(session, message->heartbeat())
                                      : InvalidArgument("a worker registers once on a stream");
  }
  self->membership_.Leave(session);
  co_await outgoing->Flush();
  co_return status;
}

grpc::ServerWriteReactor<ClusterUpdate>* MembershipService::Watch(grpc::CallbackServerContext* context, const WatchRequest* request) {
  return ServeWriter<WatchRequest, ClusterUpdate>(
      runtime_, context, request,
      [this](std::shared_ptr<WatchStream> stream, WatchRequest) { return RunWatch(this, std::move(stream)); });
}

// Writes one update at a time, so a slow reader gets fewer and larger ones. An update at least once a second, also when nothing has changed,
// lets a watcher tell a silent coordinator from a quiet cluster.
Task<Status> MembershipService::RunWatch(MembershipService* self, std::shared_ptr<WatchStream> stream) {
  const std::shared_ptr<ChangeSignal::Waiter> waiter = self->changes_.Subscribe(stream->strand());
  stream->OnCancel([weak = std::weak_ptr(waiter)] {
    if (const auto waiter = weak.lock()) waiter->Wake();
  });
  uint64_t version = 0;
  while (!stream->cancelled()) {
    ClusterUpdate update = self->membership_.UpdateSince(version);
    version = update.version();
    Task<bool> write = stream->Write(std::move(update));
    const bool written = co_await std::move(write);
    if (!written) break;
    Task<void> wait = waiter->Wait(std::chrono::steady_clock::now() + std::chrono::seconds(1));
    co_await std::move(wait);
  }
  co_return OkStatus();
}

grpc::ServerUnaryReactor* MembershipService::PutValue(grpc::CallbackServerContext* context,
                                                      const PutValueRequest* request,
                                                      PutValueResponse*) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const Status status = values_.Put(request->group_id(), request->key(), request->value());
  if (status.ok()) changes_.Notify();
  reactor->Finish(ToGrpc(status));
  return reactor;
}

grpc::ServerUnaryReactor* MembershipService::GetValue(grpc::CallbackServerContext* context,
                                                      const GetValueRequest* request,
                                                      GetValueResponse* response) {
  return ServeUnary<GetValueRequest, GetValueResponse>(
      runtime_, context, request, response,
      [this](CallInfo info, GetValueRequest request) { return RunGet(this, info.deadline, std::move(request)); });
}

Task<StatusOr<GetValueResponse>> MembershipService::RunGet(MembershipService* self, TimePoint deadline, GetValueRequest request) {
  constexpr std::chrono::minutes kLongest{10};
  const TimePoint end = std::min(deadline, std::chrono::steady_clock::now() + kLongest);
  const Strand strand = self->runtime_.MakeStrand();
  const std::shared_ptr<ChangeSignal::Waiter> waiter = self->changes_.Subscribe(strand);
  while (true) {
    std::optional<std::string> value = self->values_.Get(request.group_id(), request.key());
    if (value) {
      GetValueResponse response;
      response.set_value(*std::move(value));
      co_return response;
    }
    if (std::chrono::steady_clock::now() >= end) co_return DeadlineExceeded("nobody put a value under '{}'", request.key());
    // Woken on its own strand; the wait itself needs only this coroutine.
    Task<void> wait = asio::co_spawn(strand, waiter->Wait(end), asio::use_awaitable);
    co_await std::move(wait);
  }
}

grpc::ServerUnaryReactor* MembershipService::Drain(grpc::CallbackServerContext* context,
                                                   const DrainRequest* request,
                                                   DrainResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const StatusOr<uint64_t> incarnation =
      membership_.Drain(request->worker_id(), std::chrono::milliseconds(request->deadline_ms()));
  if (incarnation.ok()) response->set_incarnation(*incarnation);
  reactor->Finish(ToGrpc(incarnation.status()));
  return reactor;
}

}  // namespace triptych::coordinator
