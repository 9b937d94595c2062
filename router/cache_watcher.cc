#include "router/cache_watcher.h"

#include <utility>

#include "common/async/rpc_call.h"
#include "common/log/log.h"
#include "triptych/internal/v1/decoder.grpc.pb.h"

namespace triptych::router {
namespace {

using internal::v1::CacheUpdate;
using internal::v1::Decoder;
using internal::v1::WatchCacheRequest;

Task<void> Follow(std::shared_ptr<grpc::Channel> channel, std::shared_ptr<WorkerHandle> worker) {
  const std::shared_ptr<Decoder::Stub> stub = Decoder::NewStub(channel);
  while (!worker->fenced()) {
    auto request = std::make_shared<WatchCacheRequest>();
    auto reader = ClientReader<CacheUpdate>::Start({CallOptions::kForever}, [stub, request](auto* context, auto* reactor) {
      stub->async()->WatchCache(context, request.get(), reactor);
    });
    const uint64_t hook = worker->OnFenced([weak = std::weak_ptr(reader)] {
      if (const auto reader = weak.lock()) reader->Cancel();
    });
    while (true) {
      std::optional<CacheUpdate> update = co_await reader->Read();
      if (!update) break;
      worker->ApplyCache(*update);
    }
    worker->Forget(hook);
    const Status status = co_await reader->Finish();
    if (worker->fenced()) break;
    spdlog::debug("the cache of {} cannot be watched: {}", worker->id(), Message(status));
    Task<bool> pause = SleepFor(std::chrono::milliseconds(200));
    co_await std::move(pause);
  }
}

}  // namespace

void WatchCache(IoRuntime* runtime, ChannelPool* channels, std::shared_ptr<WorkerHandle> worker) {
  auto channel = channels->Get(worker->address(), ChannelPool::Purpose::kControl);
  IoRuntime::Spawn(runtime->MakeStrand(), Follow(std::move(channel), std::move(worker)));
}

}  // namespace triptych::router
