#include "common/cluster/view_watcher.h"

#include <algorithm>
#include <future>
#include <optional>
#include <random>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/async/rpc_call.h"
#include "common/log/log.h"
#include "triptych/internal/v1/cluster.grpc.pb.h"

namespace triptych {
namespace {

using internal::v1::Cluster;
using internal::v1::ClusterUpdate;
using internal::v1::WatchRequest;
using Reader = ClientReader<ClusterUpdate>;

constexpr std::chrono::milliseconds kFirstPause{50};
constexpr std::chrono::milliseconds kLongestPause{1000};

}  // namespace

struct ViewWatcher::State {
  State(IoRuntime* runtime, ChannelPool* channels, std::string coordinator, std::string name, OnChange on_change)
      : strand(runtime->MakeStrand()),
        stub(Cluster::NewStub(channels->Get(coordinator, ChannelPool::Purpose::kControl, kCoordinatorName))),
        coordinator(std::move(coordinator)),
        name(std::move(name)),
        on_change(std::move(on_change)),
        wake(strand) {}

  static Task<void> Run(std::shared_ptr<State> self);
  static Task<Status> RunStream(std::shared_ptr<State> self);
  void Apply(const ClusterUpdate& update);

  const Strand strand;
  const std::shared_ptr<Cluster::Stub> stub;
  const std::string coordinator;
  const std::string name;
  const OnChange on_change;
  asio::steady_timer wake;
  std::shared_ptr<Reader> reader;
  ClusterView view;
  std::map<std::string, TimePoint> carried_over;  // workers that the new coordinator has not named yet
  bool heard = false;
  bool stopped = false;
  std::promise<void> ended;  // set by Run, which is then over
};

ViewWatcher::ViewWatcher(IoRuntime* runtime, ChannelPool* channels, std::string coordinator, std::string name, OnChange on_change)
    : state_(std::make_shared<State>(runtime, channels, std::move(coordinator), std::move(name), std::move(on_change))) {}

ViewWatcher::~ViewWatcher() { Stop(); }

void ViewWatcher::Start() {
  started_ = true;
  IoRuntime::Spawn(state_->strand, State::Run(state_));
}

void ViewWatcher::Stop() {
  if (stopped_.exchange(true) || !started_) return;
  asio::post(state_->strand, [state = state_] {
    state->stopped = true;
    state->wake.cancel();
    if (state->reader) state->reader->Cancel();
  });
  state_->ended.get_future().wait();
}

Task<void> ViewWatcher::State::Run(std::shared_ptr<State> self) {
  std::minstd_rand random{std::random_device{}()};
  Duration pause = kFirstPause;
  while (!self->stopped) {
    self->heard = false;
    const Status status = co_await RunStream(self);
    if (self->stopped) break;
    if (self->heard) pause = kFirstPause;
    spdlog::warn("the coordinator at {} cannot be watched, the last view stays: {}", self->coordinator, Message(status));
    const double jitter = 0.5 + 0.5 * static_cast<double>(random() % 1000) / 1000;
    boost::system::error_code ignored;
    self->wake.expires_after(std::chrono::duration_cast<Duration>(pause * jitter));
    co_await self->wake.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    pause = std::min<Duration>(2 * pause, kLongestPause);
  }
  self->ended.set_value();
}

Task<Status> ViewWatcher::State::RunStream(std::shared_ptr<State> self) {
  auto request = std::make_shared<WatchRequest>();
  request->set_watcher(self->name);
  auto reader = Reader::Start({CallOptions::kForever}, [stub = self->stub, request](auto* context, auto* reactor) {
    stub->async()->Watch(context, request.get(), reactor);
  });
  self->reader = reader;
  while (!self->stopped) {
    std::optional<ClusterUpdate> update = co_await reader->Read();
    if (!update) break;
    self->heard = true;
    if (!self->stopped) self->Apply(*update);
  }
  self->reader.reset();
  reader->Cancel();
  const Status status = co_await reader->Finish();
  co_return status;
}

void ViewWatcher::State::Apply(const ClusterUpdate& update) {
  const TimePoint now = std::chrono::steady_clock::now();
  const bool replaced = view.coordinator != 0 && update.coordinator() != view.coordinator;
  if (update.full()) {
    if (replaced) {
      for (const auto& [id, worker] : view.workers) carried_over.emplace(id, now + kGrace);
    } else {
      std::erase_if(view.workers, [&](const auto& entry) { return !carried_over.contains(entry.first); });
    }
  }
  for (const internal::v1::Worker& worker : update.workers()) {
    const std::string& id = worker.registration().worker_id();
    view.workers[id] = worker;
    carried_over.erase(id);
  }
  for (const std::string& id : update.removed()) view.workers.erase(id);
  std::erase_if(carried_over, [&](const auto& entry) {
    if (now < entry.second) return false;
    view.workers.erase(entry.first);
    return true;
  });
  view.coordinator = update.coordinator();
  view.version = update.version();
  on_change(std::make_shared<const ClusterView>(view));
}

}  // namespace triptych
