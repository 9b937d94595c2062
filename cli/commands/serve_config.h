#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "common/status.h"
#include "common/tls/tls_files.h"

namespace triptych::cli {

// What `triptych serve` is told.
struct ServeConfig {
  std::string model;
  std::string name;
  std::string host = "127.0.0.1";
  std::string load_format = "auto";
  std::string weights = "stored";
  std::string device = "cpu";
  std::string dtype = "auto";
  std::string policy = "prefix_affinity";
  std::optional<int32_t> encoders;  // 1, or 0 where the model takes no pictures
  int32_t decoders = 1;
  int32_t tensor_parallel = 1;
  int32_t port = 7071;
  int32_t http_port = 8080;
  std::optional<int32_t> metrics_port;      // 9071, or any free one where `port` is
  std::optional<int32_t> coordinator_port;  // 7070, likewise
  int32_t kv_blocks = 512;
  int32_t max_sequences = 64;
  int32_t max_step_tokens = 512;
  int32_t max_chunk_tokens = 256;
  bool prefix_cache = true;
  std::vector<std::string> libraries;  // names or folders; the first is the default
  std::vector<std::string> image_hosts;
  bool image_private_addresses = false;
  TlsFiles tls;             // of the router's ports for clients
  std::string api_keys;
  TlsFiles internal_tls;    // between the processes
  std::string log_format = "text";
};

// Its flags, and the file of --config, over which flags go.
class ServeFlags {
 public:
  void AddTo(CLI::App& command);  // once; outlives the command
  StatusOr<ServeConfig> Read() const;  // after parsing

 private:
  // A flag of one of ServeConfig's fields: a pointer to it, or a function that gives it.
  template <typename Field>
  CLI::Option* Add(CLI::App& command, const char* name, Field field, const char* about);
  void AddModel(CLI::App& command);
  void AddProcesses(CLI::App& command);
  void AddEngine(CLI::App& command);
  void AddPictures(CLI::App& command);
  void AddAccess(CLI::App& command);

  std::string file_;
  ServeConfig given_;
  std::vector<std::pair<CLI::Option*, std::function<void(ServeConfig&)>>> options_;
};

}  // namespace triptych::cli
