#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/access.h"
#include "cli/client.h"
#include "cli/cluster_view.h"
#include "cli/commands/commands.h"
#include "cli/commands/serve_config.h"
#include "cli/library_folder.h"
#include "common/clock.h"
#include "common/config/endpoint.h"
#include "common/config/yaml_writer.h"
#include "common/lifecycle/child_process.h"
#include "common/lifecycle/signals.h"
#include "common/log/log.h"
#include "common/model_card/model_card.h"
#include "common/tls/tls_files.h"

namespace triptych::cli {
namespace {

using std::chrono::milliseconds;

// One process of the cluster: started from a YAML file of its own, and started again when it dies.
class Member {
 public:
  Member(std::string binary, std::string folder, std::string name) : binary_(std::move(binary)), folder_(std::move(folder)), name_(std::move(name)) {}

  const std::string& name() const { return name_; }
  const Endpoint& grpc() const { return grpc_; }
  const Endpoint& http() const { return http_; }
  const Endpoint& metrics() const { return metrics_; }
  bool announced() const { return announced_; }

  Status Start(const std::string& yaml) {
    std::ofstream(folder_ + "/" + name_ + ".yaml") << yaml;
    std::filesystem::remove(PortFile());
    announced_ = false;
    started_at_ = std::chrono::steady_clock::now();
    TRIPTYCH_ASSIGN_OR_RETURN(ChildProcess child, ChildProcess::Spawn({binary_, "--config", folder_ + "/" + name_ + ".yaml", "--port-file", PortFile()}));
    child_.emplace(std::move(child));
    spdlog::info("{} started, process {}", name_, child_->pid());
    return OkStatus();
  }

  // How it ended, if it has.
  std::optional<std::string> Poll() {
    if (!child_) return std::nullopt;
    if (!announced_) ReadPorts();
    std::optional<std::string> ended = child_->Poll();
    if (ended) child_.reset();
    return ended;
  }
  bool running() const { return child_.has_value(); }
  void Signal(int signal) {
    if (child_) child_->Signal(signal);
  }
  void WaitUntil(TimePoint deadline) {
    if (child_) (void)child_->WaitUntil(deadline);
  }
  void Kill() { child_.reset(); }

  // When it may be started again: at once after a long life, ever later after short ones.
  TimePoint NextStart() {
    constexpr milliseconds kLong{10'000}, kFirst{100}, kMost{5000};
    const TimePoint now = std::chrono::steady_clock::now();
    pause_ = now - started_at_ > kLong ? kFirst : std::min<milliseconds>(2 * pause_, kMost);
    return now + pause_;
  }
  int deaths_before_ready = 0;
  std::optional<TimePoint> restart_at;

 private:
  std::string PortFile() const { return folder_ + "/" + name_ + ".ports"; }
  void ReadPorts() {
    std::ifstream in(PortFile());
    for (std::string word; in >> word;) {
      const size_t equals = word.find('=');
      const auto endpoint = Endpoint::Parse(std::string_view(word).substr(equals + 1));
      if (!endpoint.ok()) continue;
      if (word.starts_with("grpc=")) grpc_ = *endpoint;
      if (word.starts_with("http=")) http_ = *endpoint;
      if (word.starts_with("metrics=")) metrics_ = *endpoint;
      announced_ = true;
    }
    if (announced_) spdlog::info("{} grpc={} metrics={}", name_, grpc_.ToString(), metrics_.ToString());
  }

  const std::string binary_, folder_, name_;
  std::optional<ChildProcess> child_;
  Endpoint grpc_, http_, metrics_;
  TimePoint started_at_;
  milliseconds pause_{50};
  bool announced_ = false;
};

// The whole local cluster. Main thread.
class Supervisor {
 public:
  Supervisor(ServeConfig config, SignalWaiter* signals) : config_(std::move(config)), signals_(*signals) {}
  ~Supervisor() {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  Status Run() {
    TRIPTYCH_RETURN_IF_ERROR(Prepare());
    Status status = StartAll();
    if (status.ok()) status = Supervise();
    Stop();
    return interrupted_ ? OkStatus() : status;
  }

 private:
  static constexpr milliseconds kTick{20};

  Status Prepare() {
    std::error_code error;
    if (config_.model.empty()) return InvalidArgument("--model: the checkpoint's folder is not given");
    const auto model = std::filesystem::canonical(config_.model, error);
    if (error) return InvalidArgument("--model: {}: {}", config_.model, error.message());
    config_.model = model.string();
    if (config_.name.empty()) config_.name = model.filename().string();
    TRIPTYCH_RETURN_IF_ERROR(CountEncoders());
    TRIPTYCH_RETURN_IF_ERROR(PrepareAccess());
    for (std::string& library : config_.libraries) {
      TRIPTYCH_ASSIGN_OR_RETURN(library, FindLibrary(library));
    }
    std::string folder = (std::filesystem::temp_directory_path() / "triptych-XXXXXX").string();
    if (mkdtemp(folder.data()) == nullptr) return FailedPrecondition("{}: cannot be made", folder);
    folder_ = folder;
    const std::string bin = std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
    members_.emplace_back(bin + "/triptych-coordinator", folder_, "coordinator");
    members_.emplace_back(bin + "/triptych-router", folder_, "router");
    for (int i = 0; i < num_encoders_; ++i) members_.emplace_back(bin + "/triptych-worker", folder_, fmt::format("encoder-{}", i));
    for (int i = 0; i < config_.decoders; ++i) members_.emplace_back(bin + "/triptych-worker", folder_, fmt::format("decoder-{}", i));
    return OkStatus();
  }

  Status CountEncoders() {
    TRIPTYCH_ASSIGN_OR_RETURN(const std::unique_ptr<ModelCard> card, LoadModelCard(config_.model));
    num_encoders_ = config_.encoders.value_or(card->accepts_images() ? 1 : 0);
    if (card->accepts_images() && num_encoders_ == 0) return InvalidArgument("--encoders: 0; the model takes pictures, so allowed are 1 to 64");
    if (card->accepts_images() || num_encoders_ == 0) return OkStatus();
    return InvalidArgument("--encoders: {}; the model takes no pictures, so allowed is 0", num_encoders_);
  }

  // The processes look at the files themselves; here only so that what is wrong is said at once.
  Status PrepareAccess() {
    for (std::string* path : {&config_.tls.certificate, &config_.tls.key, &config_.tls.ca, &config_.api_keys,
                              &config_.internal_tls.certificate, &config_.internal_tls.key, &config_.internal_tls.ca}) {
      if (!path->empty()) *path = std::filesystem::absolute(*path).string();
    }
    TRIPTYCH_RETURN_IF_ERROR(CheckTlsFiles("public_tls", "client_ca", config_.tls, /*needs_ca=*/false));
    TRIPTYCH_RETURN_IF_ERROR(CheckTlsFiles("tls", "ca", config_.internal_tls, /*needs_ca=*/true));
    if (config_.tls.enabled()) TRIPTYCH_RETURN_IF_ERROR(ReadTlsMaterial(config_.tls).status());
    TRIPTYCH_ASSIGN_OR_RETURN(internal_access_, OpenInternally(config_.internal_tls));
    return OkStatus();
  }

  Member& coordinator() { return members_[0]; }
  Member& router() { return members_[1]; }

  // A process keeps its ports over restarts, so that others find it again.
  std::string YamlOf(const Member& member) {
    YamlWriter yaml;
    const auto listen = [&](const char* key, int port, const Endpoint& bound) {
      const Endpoint endpoint{config_.host, bound.port != 0 ? bound.port : port};
      yaml.Field(key, &endpoint);
    };
    yaml.Field("log_format", &config_.log_format);
    VisitTlsFiles(yaml, "tls", "ca", config_.internal_tls);
    if (&member == &coordinator()) {
      listen("listen", config_.coordinator_port.value_or(config_.port == 0 ? 0 : 7070), member.grpc());
      listen("metrics_listen", 0, member.metrics());
      return yaml.Finish();
    }
    const Endpoint coordinator_at = coordinator().grpc();
    yaml.Field("coordinator", &coordinator_at);
    if (&member == &router()) {
      listen("listen", config_.port, member.grpc());
      listen("http_listen", config_.http_port, member.http());
      listen("metrics_listen", config_.metrics_port.value_or(config_.port == 0 ? 0 : 9071), member.metrics());
      yaml.Field("policy", &config_.policy);
      VisitTlsFiles(yaml, "public_tls", "client_ca", config_.tls);
      yaml.Field("api_keys", &config_.api_keys);
      yaml.Field("image_hosts", &config_.image_hosts);
      yaml.Field("image_private_addresses", &config_.image_private_addresses);
      yaml.List("models", 1, [&](YamlWriter& entry, size_t) {
        entry.Field("name", &config_.name);
        entry.Field("path", &config_.model);
      });
      yaml.List("libraries", config_.libraries.size(), [&](YamlWriter& entry, size_t i) {
        entry.Field("path", &config_.libraries[i]);
      });
      return yaml.Finish();
    }
    const bool decodes = member.name().starts_with("decoder");
    const std::vector<std::string> roles = {decodes ? "decoder" : "encoder"};
    yaml.Field("name", &member.name());
    yaml.Field("roles", &roles);
    yaml.Field("model", &config_.model);
    yaml.Field("model_name", &config_.name);
    yaml.Field("load_format", &config_.load_format);
    yaml.Field("device", &config_.device);
    yaml.Field("dtype", &config_.dtype);
    listen("listen", 0, {});
    listen("metrics_listen", 0, member.metrics());
    if (!decodes) return yaml.Finish();
    yaml.Field("weights", &config_.weights);
    yaml.Field("tensor_parallel", &config_.tensor_parallel, {1, 64});
    yaml.Field("kv_blocks", &config_.kv_blocks, {1, 0x7fffffff});
    yaml.Field("max_sequences", &config_.max_sequences, {1, 65536});
    yaml.Field("max_step_tokens", &config_.max_step_tokens, {1, 1 << 20});
    yaml.Field("max_chunk_tokens", &config_.max_chunk_tokens, {1, 1 << 20});
    yaml.Field("prefix_cache", &config_.prefix_cache);
    return yaml.Finish();
  }

  // The coordinator first: all others are told where it is.
  Status StartAll() {
    TRIPTYCH_RETURN_IF_ERROR(coordinator().Start(YamlOf(coordinator())));
    TRIPTYCH_RETURN_IF_ERROR(Await([&] { return coordinator().announced(); }));
    for (size_t i = 1; i < members_.size(); ++i) TRIPTYCH_RETURN_IF_ERROR(members_[i].Start(YamlOf(members_[i])));
    TRIPTYCH_RETURN_IF_ERROR(Await([&] { return router().announced(); }));
    Client client(router().grpc().ToString(), {});
    const bool is_client = !config_.tls.enabled() && config_.api_keys.empty();
    while (true) {
      TRIPTYCH_ASSIGN_OR_RETURN(const bool all, is_client ? ListsAll(client) : KnowsAll());
      if (all) break;
      TRIPTYCH_RETURN_IF_ERROR(Tick());
    }
    ready_ = true;
    fmt::print("ready grpc={} http={} metrics={}\n", router().grpc().ToString(), router().http().ToString(), router().metrics().ToString());
    std::fflush(stdout);
    return OkStatus();
  }

  // Whether the router's clients see all workers ready.
  StatusOr<bool> ListsAll(Client& client) const {
    const auto models = client.ListModels();
    return models.ok() && models->models_size() == 1 && static_cast<int32_t>(models->models(0).ready_encoders()) >= num_encoders_ &&
           static_cast<int32_t>(models->models(0).ready_decoders()) >= config_.decoders;
  }

  // The same as the coordinator has it, where the router's clients need more than this has. Requests wait until the router has heard.
  StatusOr<bool> KnowsAll() {
    const auto view = ReadView(coordinator().grpc().ToString(), internal_access_);
    if (view.status().code() == StatusCode::kPermissionDenied) return WithContext("--internal-tls-certificate", view.status());
    if (!view.ok()) return false;
    const auto is_ready = [](const internal::v1::Worker& worker) { return worker.state() == internal::v1::WORKER_STATE_READY; };
    return std::count_if(view->workers().begin(), view->workers().end(), is_ready) >= num_encoders_ + config_.decoders;
  }

  template <typename Condition>
  Status Await(Condition condition) {
    while (!condition()) TRIPTYCH_RETURN_IF_ERROR(Tick());
    return OkStatus();
  }

  Status Supervise() {
    while (true) TRIPTYCH_RETURN_IF_ERROR(Tick());
  }

  Status Tick() {
    constexpr int kMostDeathsBeforeReady = 3;
    const std::optional<int> signal = signals_.WaitUntil(std::chrono::steady_clock::now() + kTick);
    if (signal && *signal != 0) {
      interrupted_ = true;
      return Cancelled("signal {}", *signal);
    }
    for (Member& member : members_) {
      const TimePoint now = std::chrono::steady_clock::now();
      if (const auto ended = member.Poll()) {
        spdlog::error("{} ended: {}", member.name(), *ended);
        if (!ready_ && ++member.deaths_before_ready >= kMostDeathsBeforeReady) {
          return FailedPrecondition("{} does not start: {}", member.name(), *ended);
        }
        member.restart_at = member.NextStart();
      }
      if (!member.running() && member.restart_at && now >= *member.restart_at) {
        member.restart_at.reset();
        TRIPTYCH_RETURN_IF_ERROR(member.Start(YamlOf(member)));
      }
    }
    return OkStatus();
  }

  // In the order in which requests flow, so that each still has what it needs to finish.
  void Stop() {
    constexpr std::chrono::seconds kLimit{35};
    if (members_.empty()) return;
    spdlog::info("stopping");
    const TimePoint end = std::chrono::steady_clock::now() + kLimit;
    StopThese({1}, end);
    std::vector<size_t> workers;
    for (size_t i = 2; i < members_.size(); ++i) workers.push_back(i);
    StopThese(workers, end);
    StopThese({0}, end);
  }
  void StopThese(const std::vector<size_t>& indices, TimePoint end) {
    for (const size_t i : indices) members_[i].Signal(SIGTERM);
    for (const size_t i : indices) {
      members_[i].WaitUntil(end);
      members_[i].Kill();
    }
  }

  ServeConfig config_;
  SignalWaiter& signals_;
  std::string folder_;
  int32_t num_encoders_ = 0;
  Access internal_access_;
  std::deque<Member> members_;  // coordinator, router, workers
  bool ready_ = false;
  bool interrupted_ = false;
};

}  // namespace

void AddServe(CLI::App& app, SignalWaiter* signals, int* exit_status) {
  auto flags = std::make_shared<ServeFlags>();
  CLI::App* command = app.add_subcommand("serve", "Starts a whole cluster on this machine and keeps it running until Ctrl-C");
  flags->AddTo(*command);
  command->callback([flags, signals, exit_status] {
    StatusOr<ServeConfig> config = flags->Read();
    if (!config.ok()) {
      *exit_status = Report("serve", config.status());
      return;
    }
    SetUpLogging("triptych", config->log_format == "json" ? LogFormat::kJson : LogFormat::kText, spdlog::level::info);
    *exit_status = Report("serve", Supervisor(*std::move(config), signals).Run());
  });
}

}  // namespace triptych::cli
