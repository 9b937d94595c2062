#include <unistd.h>

#include <future>
#include <optional>
#include <random>

#include "common/async/bounded_queue.h"
#include "common/cluster/worker_link.h"
#include "common/lifecycle/state.h"
#include "common/log/log.h"
#include "common/metrics/exposer.h"
#include "common/rpc/tls_credentials.h"
#include "common/service/service_program.h"
#include "common/tls/certificate_metric.h"
#include "worker/process/config.h"
#include "worker/process/decoder_role.h"
#include "worker/process/encoder_role.h"
#include "worker/process/memory_report.h"

namespace triptych::worker {
namespace {

using internal::v1::FormGroup;
using internal::v1::Heartbeat;
using internal::v1::Register;
using internal::v1::WorkerCommand;

constexpr std::chrono::milliseconds kTick{50};

uint64_t DrawIncarnation() {
  std::random_device random;
  return (static_cast<uint64_t>(random()) << 32 | random()) | 1;  // never 0
}

// One worker process, from configuration to its end.
class WorkerProcess {
 public:
  WorkerProcess(WorkerConfig config, InternalTls tls, SignalWaiter* signals)
      : config_(std::move(config)), tls_(std::move(tls)), signals_(*signals), metrics_(&registry_) {
    ExportExpiry(&registry_, "internal", tls_.source);
  }

  Status Run(const std::function<Status(BoundAddresses)>& announce) {
    TRIPTYCH_ASSIGN_OR_RETURN(model_, OpenModel(config_));
    TRIPTYCH_RETURN_IF_ERROR(StartServer(announce));
    link_.emplace(&runtime_, &channels_, config_.coordinator.ToString(), LinkCallbacks());
    link_->Start();
    const Status status = Serve();
    Shutdown();
    return status;
  }

 private:
  Status StartServer(const std::function<Status(BoundAddresses)>& announce) {
    if (config_.has_role("encoder")) {
      TRIPTYCH_ASSIGN_OR_RETURN(encoder_, EncoderRole::Load(config_, model_, incarnation_, &runtime_, &clock_));
      encoder_->AddTo(server_);
      encoder_->Show(metrics_);
    }
    if (config_.has_role("decoder")) {
      decoder_ = std::make_unique<DecoderRole>(config_, &model_, incarnation_, &runtime_, &channels_, &clock_);
      decoder_->AddTo(server_);
      decoder_->Show(metrics_);
    }
    TRIPTYCH_RETURN_IF_ERROR(server_.Start());
    TRIPTYCH_RETURN_IF_ERROR(exposer_.Start());
    const std::string host = config_.advertise.empty() ? config_.listen.host : config_.advertise;
    address_ = Endpoint{host, server_.port()}.ToString();
    metrics_address_ = Endpoint{config_.metrics_listen.host, exposer_.port()}.ToString();
    return announce({.grpc = address_, .metrics = metrics_address_});
  }

  // Loads, serves, drains. Ends by a signal, a command, or a failure.
  Status Serve() {
    lifecycle_.Set(LifecycleState::kLoading);
    TRIPTYCH_ASSIGN_OR_RETURN(const bool go_on, LoadDecoder());
    if (!go_on) return OkStatus();
    lifecycle_.Set(LifecycleState::kReady);
    server_.SetServing(true);
    link_->ReportNow();
    spdlog::info("ready: {} at {}", config_.model_name, address_);
    while (true) {
      const std::optional<int> signal = signals_.WaitUntil(clock_.Now() + kTick);
      Tick();
      if (decoder_) TRIPTYCH_RETURN_IF_ERROR(decoder_->health());
      if (signal && *signal != 0) return Drain(config_.drain_deadline);
      while (const std::optional<WorkerCommand> command = commands_.TryPop()) {
        if (command->has_stop()) return Unavailable("told to stop: {}", command->stop().reason());
        if (command->has_drain()) return Drain(std::chrono::milliseconds(command->drain().deadline_ms()));
      }
    }
  }

  // False: told to end before it was ready.
  StatusOr<bool> LoadDecoder() {
    if (!decoder_) return true;
    FormGroup form;
    if (config_.num_ranks < config_.tensor_parallel) {
      TRIPTYCH_ASSIGN_OR_RETURN(const std::optional<FormGroup> formed, AwaitGroup());
      if (!formed) return false;
      form = *formed;
    }
    auto loaded = std::async(std::launch::async, [this, form] { return decoder_->Load(form); });
    while (loaded.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
      const std::optional<int> signal = signals_.WaitUntil(clock_.Now() + kTick);
      Tick();
      if ((signal && *signal != 0) || StopWasSaid()) {
        decoder_->Stop();
        (void)loaded.get();  // its end was wanted
        return false;
      }
    }
    TRIPTYCH_RETURN_IF_ERROR(loaded.get());
    decoder_->ShowEngine(metrics_);
    return true;
  }

  StatusOr<std::optional<FormGroup>> AwaitGroup() {
    spdlog::info("waiting for the other parts of group {}", config_.group);
    while (true) {
      const std::optional<int> signal = signals_.WaitUntil(clock_.Now() + kTick);
      Tick();
      if (signal && *signal != 0) return std::optional<FormGroup>();
      while (const std::optional<WorkerCommand> command = commands_.TryPop()) {
        if (command->has_stop()) return Unavailable("told to stop: {}", command->stop().reason());
        if (!command->has_form_group()) continue;
        std::lock_guard lock(group_mutex_);
        group_id_ = command->form_group().group_id();
        return std::optional<FormGroup>(command->form_group());
      }
    }
  }

  bool StopWasSaid() {
    while (const std::optional<WorkerCommand> command = commands_.TryPop()) {
      if (command->has_stop() || command->has_drain()) return true;
    }
    return false;
  }

  // Takes nothing new; ends when what runs has ended, or at the deadline.
  Status Drain(Duration limit) {
    spdlog::info("draining");
    lifecycle_.Set(LifecycleState::kDraining);
    server_.SetServing(false);
    if (encoder_) encoder_->Drain();
    if (decoder_) decoder_->Drain();
    link_->ReportNow();
    const TimePoint end = clock_.Now() + limit;
    while (clock_.Now() < end && !((!encoder_ || encoder_->idle(clock_.Now())) && (!decoder_ || decoder_->idle()))) {
      const std::optional<int> signal = signals_.WaitUntil(clock_.Now() + kTick);
      Tick();
      if (signal && *signal != 0) break;  // a second signal: now
    }
    if (decoder_ && !decoder_->idle()) EndStreams();
    return OkStatus();
  }

  // What still runs hears why it ends before the coordinator says that this worker is gone, which would pass for its death.
  void EndStreams() {
    constexpr std::chrono::milliseconds kLongest{500};
    decoder_->EndStreams();
    const TimePoint end = clock_.Now() + kLongest;
    do {
      (void)signals_.WaitUntil(clock_.Now() + kTick);  // also for the last words to arrive
    } while (!decoder_->idle() && clock_.Now() < end);
  }

  void Shutdown() {
    lifecycle_.Set(LifecycleState::kGone);
    link_->ReportNow();
    server_.Stop(std::chrono::milliseconds(200));
    link_->Stop();
    if (decoder_) decoder_->Stop();
    if (encoder_) encoder_->Stop();
    exposer_.Stop();
    runtime_.Stop();
  }

  void Tick() {
    if (encoder_) encoder_->Tick(clock_.Now());
    metrics_.Update();
  }

  WorkerLink::Callbacks LinkCallbacks() {
    return {.registration = [this] { return MakeRegistration(); },
            .report = [this] { return MakeReport(); },
            .on_command =
                [this](WorkerCommand command) {
                  if (!commands_.TryPush(std::move(command))) spdlog::warn("a command of the coordinator is dropped: too many wait");
                  signals_.Wake();
                },
            .on_refused =
                [this](Status why) {
                  WorkerCommand stop;
                  stop.mutable_stop()->set_reason(std::string(Message(why)));
                  (void)commands_.TryPush(std::move(stop));
                  signals_.Wake();
                }};
  }

  Register MakeRegistration() {
    Register registration;
    registration.set_worker_id(config_.name.empty() ? address_ : config_.name);
    registration.set_incarnation(incarnation_);
    if (encoder_) registration.add_roles(internal::v1::WORKER_ROLE_ENCODER);
    if (decoder_) registration.add_roles(internal::v1::WORKER_ROLE_DECODER);
    registration.set_address(address_);
    registration.set_metrics_address(metrics_address_);
    *registration.mutable_model() = model_.identity;
    registration.set_pid(getpid());
    internal::v1::Capacity& capacity = *registration.mutable_capacity();
    capacity.set_max_sequences(config_.max_sequences);
    capacity.set_max_step_tokens(config_.max_step_tokens);
    capacity.set_kv_blocks(config_.kv_blocks);
    capacity.set_block_tokens(kBlockTokens);
    capacity.set_embedding_cache_bytes(config_.embedding_cache_bytes);
    capacity.set_max_batch_tiles(config_.max_batch_tiles);
    if (decoder_) {
      internal::v1::GroupMember& group = *registration.mutable_group();
      group.set_group(config_.group.empty() ? registration.worker_id() : config_.group);
      group.set_first_rank(config_.first_rank);
      group.set_num_ranks(config_.num_ranks);
      group.set_world_size(config_.tensor_parallel);
      std::lock_guard lock(group_mutex_);
      group.set_group_id(group_id_);
    }
    return registration;
  }

  Heartbeat MakeReport() const {
    Heartbeat heartbeat;
    heartbeat.set_state(static_cast<internal::v1::WorkerState>(lifecycle_.state()));
    if (encoder_) encoder_->Report(heartbeat);
    if (decoder_) decoder_->Report(heartbeat);
    return heartbeat;
  }

  Status Ready() const {
    return lifecycle_.state() == LifecycleState::kReady ? OkStatus() : Unavailable("{}", Name(lifecycle_.state()));
  }

  const WorkerConfig config_;
  const InternalTls tls_;
  SignalWaiter& signals_;
  const uint64_t incarnation_ = DrawIncarnation();
  SteadyClock clock_;
  MetricRegistry registry_;
  Metrics metrics_;
  Lifecycle lifecycle_;
  ModelParts model_;
  ChannelPool channels_{tls_.client};
  IoRuntime runtime_{2};
  BoundedQueue<WorkerCommand> commands_{64};
  std::mutex group_mutex_;
  std::string group_id_;  // guarded by group_mutex_
  std::string address_, metrics_address_;
  std::unique_ptr<EncoderRole> encoder_;
  std::unique_ptr<DecoderRole> decoder_;
  std::optional<WorkerLink> link_;
  RpcServer server_{{.listen = config_.listen,
                     .max_message_bytes = kMaxGrpcMessageBytes,
                     .max_streams_per_connection = 4096,  // routers multiplex all their streams
                     .credentials = tls_.server}};
  HttpExposer exposer_{config_.metrics_listen, &registry_,
                       {.alive = [this] { return decoder_ ? decoder_->health() : OkStatus(); }, .ready = [this] { return Ready(); }}};
};

Status Run(const WorkerConfig& config, SignalWaiter& signals, const std::function<Status(BoundAddresses)>& announce) {
  TRIPTYCH_ASSIGN_OR_RETURN(InternalTls tls, InternalTls::Open(config.tls, {kRouterName, kWorkerName}));
  WorkerProcess process(config, std::move(tls), &signals);
  return process.Run(announce);
}

}  // namespace
}  // namespace triptych::worker

int main(int argc, char** argv) {
  using namespace triptych::worker;
  WorkerConfig config;
  return triptych::RunServiceProgram(
      argc, argv,
      {.name = "triptych-worker",
       .about = "Encodes pictures, decodes text, or both: the process that holds a model.",
       .read_config = [&](const std::string& path) { return ReadWorkerConfig(path, config); },
       .finish_config = [&] { return FinishWorkerConfig(config); },
       .print_config = [&] { return PrintWorkerConfig(config); },
       .log_format = [&] { return config.log_format; },
       .print_memory = [&] { return DescribeMemory(config); },
       .run = [&](auto& signals, const auto& announce) { return Run(config, signals, announce); }});
}
