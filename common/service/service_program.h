#pragma once

#include <functional>
#include <string>

#include "common/lifecycle/signals.h"
#include "common/status.h"

namespace triptych {

// Where a server listens, once it does.
struct BoundAddresses {
  std::string grpc;
  std::string metrics;
  std::string http;  // empty where there is none
};

// One of the server binaries, as far as all are alike: --config FILE, --check-config, --print-config, --port-file FILE.
struct ServiceProgram {
  std::string name;
  std::string about;
  std::function<Status(const std::string& path)> read_config;
  std::function<Status()> finish_config;        // rules over several fields
  std::function<std::string()> print_config;    // YAML that reads back
  std::function<std::string()> log_format;      // text or json
  std::function<StatusOr<std::string>()> print_memory = nullptr;  // for --print-memory, where there is one
  // Serves until a signal has come and all is drained. Calls `announce` once it listens.
  std::function<Status(SignalWaiter& signals, const std::function<Status(BoundAddresses)>& announce)> run;
};

// main()'s body: gives the exit status. Errors go to stderr as one line.
int RunServiceProgram(int argc, char** argv, const ServiceProgram& program);

}  // namespace triptych
