#include "common/service/service_program.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "CLI/CLI.hpp"
#include "common/log/log.h"

namespace triptych {
namespace {

struct Flags {
  std::string config;
  std::string port_file;
  bool check_config = false;
  bool print_config = false;
  bool print_memory = false;
};

int Fail(const ServiceProgram& program, const Status& status) {
  fmt::print(stderr, "{}: {}\n", program.name, Message(status));
  return 1;
}

// Whoever waits for the file sees all of it or nothing.
Status WritePortFile(const std::string& path, const BoundAddresses& bound) {
  const std::string draft = path + ".draft";
  {
    std::ofstream out(draft);
    out << "grpc=" << bound.grpc << " http=" << (bound.http.empty() ? "-" : bound.http) << " metrics=" << bound.metrics << "\n";
    out.flush();
    if (!out) return FailedPrecondition("{}: cannot be written", draft);
  }
  if (std::rename(draft.c_str(), path.c_str()) != 0) return FailedPrecondition("{}: cannot be written", path);
  return OkStatus();
}

Status Serve(const ServiceProgram& program, const Flags& flags, SignalWaiter& signals) {
  return program.run(signals, [&](BoundAddresses bound) {
    spdlog::info("listening: grpc={} http={} metrics={}", bound.grpc, bound.http.empty() ? "-" : bound.http, bound.metrics);
    return flags.port_file.empty() ? OkStatus() : WritePortFile(flags.port_file, bound);
  });
}

}  // namespace

int RunServiceProgram(int argc, char** argv, const ServiceProgram& program) {
  SignalWaiter signals;  // first: before any other thread
  Flags flags;
  CLI::App app(program.about, program.name);
  app.add_option("--config", flags.config, "YAML file; what it leaves out keeps its default");
  app.add_flag("--check-config", flags.check_config, "Check the configuration and end");
  app.add_flag("--print-config", flags.print_config, "Print the whole configuration as YAML and end");
  if (program.print_memory) {
    app.add_flag("--print-memory", flags.print_memory, "Print the memory that each rank takes, by config.json alone, and end");
  }
  app.add_option("--port-file", flags.port_file, "Write the addresses that were bound to this file");
  CLI11_PARSE(app, argc, argv);
  if (!flags.config.empty()) {
    if (const Status status = program.read_config(flags.config); !status.ok()) return Fail(program, status);
  }
  if (const Status status = program.finish_config(); !status.ok()) return Fail(program, status);
  if (flags.print_config) fmt::print("{}", program.print_config());
  if (flags.print_config || flags.check_config) return 0;
  if (flags.print_memory) {
    const StatusOr<std::string> memory = program.print_memory();
    if (!memory.ok()) return Fail(program, memory.status());
    fmt::print("{}", *memory);
    return 0;
  }
  SetUpLogging(program.name, program.log_format() == "json" ? LogFormat::kJson : LogFormat::kText, spdlog::level::info);
  const Status status = Serve(program, flags, signals);
  if (!status.ok()) return Fail(program, status);
  spdlog::info("ended in order");
  return 0;
}

}  // namespace triptych
