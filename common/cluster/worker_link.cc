#include "common/cluster/worker_link.h"

#include <algorithm>
#include <future>
#include <random>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/async/rpc_call.h"
#include "common/limits.h"
#include "common/log/log.h"
#include "triptych/internal/v1/cluster.grpc.pb.h"

namespace triptych {
namespace {

using internal::v1::Cluster;
using internal::v1::WorkerCommand;
using internal::v1::WorkerMessage;
using Stream = ClientStream<WorkerMessage, WorkerCommand>;

constexpr std::chrono::milliseconds kFirstPause{50};
constexpr std::chrono::milliseconds kLongestPause{1000};

}  // namespace

struct WorkerLink::State : std::enable_shared_from_this<State> {
  State(IoRuntime* runtime, ChannelPool* channels, std::string coordinator, Callbacks callbacks)
      : strand(runtime->MakeStrand()),
        stub(Cluster::NewStub(channels->Get(coordinator, ChannelPool::Purpose::kControl, kCoordinatorName))),
        coordinator(std::move(coordinator)),
        callbacks(std::move(callbacks)),
        wake(strand) {}

  static Task<void> Run(std::shared_ptr<State> self);
  static Task<Status> RunStream(std::shared_ptr<State> self);
  static Task<void> Beat(std::shared_ptr<State> self, std::shared_ptr<Stream> stream);
  static Task<void> Pause(std::shared_ptr<State> self, Duration time);

  const Strand strand;
  const std::shared_ptr<Cluster::Stub> stub;
  const std::string coordinator;
  const Callbacks callbacks;
  asio::steady_timer wake;  // between heartbeats and attempts
  std::shared_ptr<Stream> stream;
  Duration period = kLeaseTtl / 4;
  bool report_now = false;
  bool beating = false;
  bool stopped = false;
  std::promise<void> ended;  // set by Run, which is then over
  bool joined = false;  // this stream has had an answer
  std::minstd_rand random{std::random_device{}()};
};

WorkerLink::WorkerLink(IoRuntime* runtime, ChannelPool* channels, std::string coordinator, Callbacks callbacks)
    : state_(std::make_shared<State>(runtime, channels, std::move(coordinator), std::move(callbacks))) {}

WorkerLink::~WorkerLink() { Stop(); }

void WorkerLink::Start() {
  started_ = true;
  IoRuntime::Spawn(state_->strand, State::Run(state_));
}

void WorkerLink::ReportNow() {
  asio::post(state_->strand, [state = state_] {
    state->report_now = true;
    state->wake.cancel();
  });
}

void WorkerLink::Stop() {
  if (stopped_.exchange(true) || !started_) return;
  asio::post(state_->strand, [state = state_] {
    state->stopped = true;
    state->wake.cancel();
    if (state->stream) state->stream->Cancel();
  });
  state_->ended.get_future().wait();
}

Task<void> WorkerLink::State::Pause(std::shared_ptr<State> self, Duration time) {
  boost::system::error_code ignored;
  self->wake.expires_after(time);
  co_await self->wake.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

Task<void> WorkerLink::State::Run(std::shared_ptr<State> self) {
  Duration pause = kFirstPause;
  while (!self->stopped) {
    const Status status = co_await RunStream(self);
    if (self->stopped) break;
    if (status.code() == StatusCode::kAborted || status.code() == StatusCode::kFailedPrecondition) {
      self->callbacks.on_refused(status);
      break;
    }
    if (self->joined) pause = kFirstPause;
    spdlog::warn("the stream to the coordinator at {} broke: {}", self->coordinator, Message(status));
    const double jitter = 0.5 + 0.5 * static_cast<double>(self->random() % 1000) / 1000;
    Task<void> wait = Pause(self, std::chrono::duration_cast<Duration>(pause * jitter));
    co_await std::move(wait);
    pause = std::min<Duration>(2 * pause, kLongestPause);
  }
  self->ended.set_value();
}

Task<Status> WorkerLink::State::RunStream(std::shared_ptr<State> self) {
  self->joined = false;
  auto stream = Stream::Start({CallOptions::kForever},
                              [stub = self->stub](auto* context, auto* reactor) { stub->async()->Join(context, reactor); });
  self->stream = stream;
  WorkerMessage first;
  *first.mutable_register_() = self->callbacks.registration();
  Task<bool> write = stream->Write(std::move(first));
  const bool written = co_await std::move(write);
  if (written) {
    self->beating = true;
    IoRuntime::Spawn(self->strand, Beat(self, stream));
    while (!self->stopped) {
      std::optional<WorkerCommand> command = co_await stream->Read();
      if (!command) break;
      self->joined = true;
      if (command->has_lease()) {
        self->period = std::chrono::milliseconds(std::max<uint32_t>(command->lease().ttl_ms(), 100)) / 4;
      } else if (!self->stopped) {
        self->callbacks.on_command(*std::move(command));
      }
    }
  }
  self->stream.reset();
  stream->Cancel();
  while (self->beating) {  // its write must be over before the end
    self->wake.cancel();
    Task<void> turn = asio::post(self->strand, asio::use_awaitable);
    co_await std::move(turn);
  }
  const Status status = co_await stream->Finish();
  co_return status;
}

Task<void> WorkerLink::State::Beat(std::shared_ptr<State> self, std::shared_ptr<Stream> stream) {
  while (!self->stopped && self->stream == stream) {
    self->report_now = false;
    WorkerMessage message;
    *message.mutable_heartbeat() = self->callbacks.report();
    Task<bool> write = stream->Write(std::move(message));
    const bool written = co_await std::move(write);
    if (!written) break;
    if (self->report_now || self->stream != stream) continue;
    Task<void> wait = Pause(self, self->period);
    co_await std::move(wait);
  }
  self->beating = false;
}

}  // namespace triptych
