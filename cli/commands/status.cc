#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include "cli/client.h"
#include "cli/cluster_view.h"
#include "cli/commands/commands.h"
#include "common/lifecycle/signals.h"
#include "common/rpc/grpc_status.h"
#include "nlohmann/json.hpp"
#include "triptych/internal/v1/cluster.grpc.pb.h"

namespace triptych::cli {
namespace {

using namespace internal::v1;  // NOLINT: names of roles and states

struct Flags {
  std::string coordinator = "127.0.0.1:7070";
  bool json = false;
  bool watch = false;
  AccessFlags access;
};

std::string RolesOf(const Register& registration) {
  std::string roles;
  for (const int role : registration.roles()) {
    roles += (roles.empty() ? "" : ",") + std::string(role == WORKER_ROLE_ENCODER ? "encoder" : "decoder");
  }
  return roles;
}

std::string NameOf(WorkerState state) {
  std::string name = WorkerState_Name(state).substr(std::string_view("WORKER_STATE_").size());
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
  return name;
}

nlohmann::json ToJson(const Worker& worker) {
  const Register& registration = worker.registration();
  const Load& load = worker.load();
  return {{"id", registration.worker_id()},
          {"roles", RolesOf(registration)},
          {"state", NameOf(worker.state())},
          {"reason", worker.reason()},
          {"leads", worker.leads()},
          {"address", registration.address()},
          {"metrics_address", registration.metrics_address()},
          {"pid", registration.pid()},
          {"incarnation", fmt::format("{:016x}", registration.incarnation())},
          {"model", registration.model().name()},
          {"numerics", registration.model().numerics()},
          {"kv_blocks", registration.capacity().kv_blocks()},
          {"used_kv_blocks", load.used_kv_blocks()},
          {"running_sequences", load.running_sequences()},
          {"waiting_sequences", load.waiting_sequences()},
          {"waiting_tiles", load.waiting_tiles()},
          {"running_tiles", load.running_tiles()},
          {"steps", worker.steps()}};
}

Status Print(const Flags& flags) {
  TRIPTYCH_ASSIGN_OR_RETURN(const Access access, flags.access.Open());
  TRIPTYCH_ASSIGN_OR_RETURN(const ClusterUpdate view, ReadView(flags.coordinator, access));
  if (flags.json) {
    nlohmann::json workers = nlohmann::json::array();
    for (const Worker& worker : view.workers()) workers.push_back(ToJson(worker));
    fmt::print("{}\n", nlohmann::json{{"version", view.version()}, {"workers", workers}}.dump());
    return OkStatus();
  }
  size_t id_width = 16;  // pods have long names
  for (const Worker& worker : view.workers()) id_width = std::max(id_width, worker.registration().worker_id().size());
  fmt::print("{:<{}} {:<16} {:<9} {:<22} {:<16} {:>8} {:>8} {:>12} {:>6}  {}\n", "WORKER", id_width, "ROLES", "STATE", "ADDRESS", "MODEL", "RUNNING", "WAITING",
             "KV BLOCKS", "TILES", "REASON");
  for (const Worker& worker : view.workers()) {
    const Register& registration = worker.registration();
    const Load& load = worker.load();
    fmt::print("{:<{}} {:<16} {:<9} {:<22} {:<16} {:>8} {:>8} {:>12} {:>6}  {}\n", registration.worker_id(), id_width, RolesOf(registration), NameOf(worker.state()),
               registration.address(), registration.model().name(), load.running_sequences(), load.waiting_sequences(),
               fmt::format("{}/{}", load.used_kv_blocks(), registration.capacity().kv_blocks()), load.waiting_tiles(), worker.reason());
  }
  return OkStatus();
}

Status Run(const Flags& flags, SignalWaiter& signals) {
  while (true) {
    if (flags.watch && !flags.json) fmt::print("\x1b[H\x1b[2J");
    TRIPTYCH_RETURN_IF_ERROR(Print(flags));
    std::fflush(stdout);
    if (!flags.watch || signals.WaitUntil(std::chrono::steady_clock::now() + std::chrono::seconds(1))) return OkStatus();
  }
}

StatusOr<std::vector<std::string>> WorkersToDrain(const std::string& coordinator, const Access& access, const std::string& worker) {
  if (worker != "all") return std::vector<std::string>{worker};
  TRIPTYCH_ASSIGN_OR_RETURN(const ClusterUpdate view, ReadView(coordinator, access));
  std::vector<std::string> ids;
  for (const Worker& entry : view.workers()) ids.push_back(entry.registration().worker_id());
  return ids;
}

Status Drain(const std::string& coordinator, const AccessFlags& flags, const std::string& worker, double seconds) {
  TRIPTYCH_ASSIGN_OR_RETURN(const Access access, flags.Open());
  const auto stub = Cluster::NewStub(OpenChannel(coordinator, access));
  TRIPTYCH_ASSIGN_OR_RETURN(const std::vector<std::string> ids, WorkersToDrain(coordinator, access, worker));
  for (const std::string& id : ids) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    DrainRequest request;
    request.set_worker_id(id);
    request.set_deadline_ms(static_cast<uint32_t>(seconds * 1000));
    DrainResponse response;
    TRIPTYCH_RETURN_IF_ERROR(FromGrpc(stub->Drain(&context, request, &response)));
    fmt::print("{} drains\n", id);
  }
  return OkStatus();
}

}  // namespace

void AddStatus(CLI::App& app, SignalWaiter* signals, int* exit_status) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("status", "The cluster's workers, their states and load");
  command->add_option("--coordinator", flags->coordinator, "The coordinator's gRPC address")->capture_default_str();
  flags->access.AddToAdmin(*command);
  command->add_flag("--json", flags->json, "Print one JSON object");
  command->add_flag("--watch", flags->watch, "Again every second, until Ctrl-C");
  command->callback([flags, signals, exit_status] { *exit_status = Report("status", Run(*flags, *signals)); });
}

void AddDrain(CLI::App& app, int* exit_status) {
  struct DrainFlags {
    std::string coordinator = "127.0.0.1:7070", worker;
    double seconds = 30;
    AccessFlags access;
  };
  auto flags = std::make_shared<DrainFlags>();
  CLI::App* command = app.add_subcommand("drain", "Lets a worker finish its streams and end");
  command->add_option("worker", flags->worker, "The worker's id, or all")->required();
  command->add_option("--coordinator", flags->coordinator, "The coordinator's gRPC address")->capture_default_str();
  flags->access.AddToAdmin(*command);
  command->add_option("--deadline", flags->seconds, "Seconds until it ends with its streams broken")->check(CLI::Range(0.0, 86400.0))->capture_default_str();
  command->callback([flags, exit_status] { *exit_status = Report("drain", Drain(flags->coordinator, flags->access, flags->worker, flags->seconds)); });
}

}  // namespace triptych::cli
