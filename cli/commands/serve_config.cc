#include "cli/commands/serve_config.h"

#include "common/config/yaml_reader.h"

namespace triptych::cli {
namespace {

Status ReadConfig(const std::string& path, ServeConfig& config) {
  TRIPTYCH_ASSIGN_OR_RETURN(YamlReader yaml, YamlReader::FromFile(path));
  yaml.Field("model", &config.model);
  yaml.Field("name", &config.name);
  yaml.Field("host", &config.host);
  yaml.Field("load_format", &config.load_format);
  yaml.Field("weights", &config.weights);
  yaml.Field("device", &config.device);
  yaml.Field("dtype", &config.dtype);
  yaml.Field("policy", &config.policy);
  int32_t encoders = -1;
  yaml.Field("encoders", &encoders, {0, 64});
  yaml.Field("decoders", &config.decoders, {1, 64});
  yaml.Field("tensor_parallel", &config.tensor_parallel, {1, 64});
  yaml.Field("port", &config.port, {0, 65535});
  yaml.Field("http_port", &config.http_port, {0, 65535});
  int32_t metrics_port = -1, coordinator_port = -1;
  yaml.Field("metrics_port", &metrics_port, {0, 65535});
  yaml.Field("coordinator_port", &coordinator_port, {0, 65535});
  yaml.Field("kv_blocks", &config.kv_blocks, {1, 0x7fffffff});
  yaml.Field("max_sequences", &config.max_sequences, {1, 65536});
  yaml.Field("max_step_tokens", &config.max_step_tokens, {1, 1 << 20});
  yaml.Field("max_chunk_tokens", &config.max_chunk_tokens, {1, 1 << 20});
  yaml.Field("prefix_cache", &config.prefix_cache);
  yaml.Field("libraries", &config.libraries);
  yaml.Field("image_hosts", &config.image_hosts);
  yaml.Field("image_private_addresses", &config.image_private_addresses);
  yaml.Field("tls_certificate", &config.tls.certificate);
  yaml.Field("tls_key", &config.tls.key);
  yaml.Field("tls_client_ca", &config.tls.ca);
  yaml.Field("api_keys", &config.api_keys);
  yaml.Field("internal_tls_certificate", &config.internal_tls.certificate);
  yaml.Field("internal_tls_key", &config.internal_tls.key);
  yaml.Field("internal_tls_ca", &config.internal_tls.ca);
  yaml.Field("log_format", &config.log_format);
  if (encoders >= 0) config.encoders = encoders;
  if (metrics_port >= 0) config.metrics_port = metrics_port;
  if (coordinator_port >= 0) config.coordinator_port = coordinator_port;
  return yaml.Finish();
}

}  // namespace

StatusOr<ServeConfig> ServeFlags::Read() const {
  ServeConfig config;
  if (!file_.empty()) TRIPTYCH_RETURN_IF_ERROR(ReadConfig(file_, config));
  for (const auto& [option, apply] : options_) {
    if (option->count() > 0) apply(config);
  }
  return config;
}

template <typename Field>
CLI::Option* ServeFlags::Add(CLI::App& command, const char* name, Field field, const char* about) {
  CLI::Option* option = command.add_option(name, std::invoke(field, given_), about);
  options_.emplace_back(option, [this, field](ServeConfig& config) {
    std::invoke(field, config) = std::invoke(field, given_);
  });
  return option;
}

void ServeFlags::AddTo(CLI::App& command) {
  // The file is read where it stands on the command line's left-most place: flags always override it.
  command.add_option("--config", file_, "YAML file with the same keys as the flags (tensor_parallel for --tensor-parallel)");
  AddModel(command);
  AddProcesses(command);
  AddEngine(command);
  AddPictures(command);
  AddAccess(command);
  Add(command, "--log-format", &ServeConfig::log_format, "text, json")->capture_default_str();
}

void ServeFlags::AddModel(CLI::App& command) {
  Add(command, "--model", &ServeConfig::model, "The checkpoint's folder");
  Add(command, "--name", &ServeConfig::name, "The model's name for clients; without it the folder's");
  Add(command, "--load-format", &ServeConfig::load_format,
      "What the weights are read from: auto (safetensors, else torch archives), safetensors, torch, or dummy: random weights for config.json "
      "and tokenizer alone")
      ->check(CLI::IsMember({"auto", "safetensors", "torch", "dummy"}))
      ->capture_default_str();
  Add(command, "--weights", &ServeConfig::weights,
      "Of the decoders' linear layers: as stored, or rounded to int8 or int4 when they are read")
      ->check(CLI::IsMember({"stored", "int8", "int4"}))
      ->capture_default_str();
  Add(command, "--device", &ServeConfig::device, "cpu, cuda")->capture_default_str();
  Add(command, "--dtype", &ServeConfig::dtype, "Of computing: auto, float32, bfloat16 (cuda)")->capture_default_str();
}

void ServeFlags::AddProcesses(CLI::App& command) {
  const CLI::Range ports(0, 65535);
  Add(command, "--host", &ServeConfig::host, "Where all processes listen")->capture_default_str();
  Add(command, "--policy", &ServeConfig::policy, "prefix_affinity, least_loaded, round_robin")->capture_default_str();
  Add(command, "--encoders", &ServeConfig::encoders, "Encoder processes (default 1, or 0 for a model that takes no pictures)")
      ->check(CLI::Range(0, 64));
  Add(command, "--decoders", &ServeConfig::decoders, "Decoder processes")->check(CLI::Range(1, 64))->capture_default_str();
  Add(command, "--tensor-parallel", &ServeConfig::tensor_parallel, "Ranks of each decoder: 1 to the model's query heads")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  Add(command, "--port", &ServeConfig::port, "The router's gRPC port; 0: a free one")->check(ports)->capture_default_str();
  Add(command, "--http-port", &ServeConfig::http_port, "The router's HTTP port (OpenAI's API, the page); 0: a free one")
      ->check(ports)
      ->capture_default_str();
  Add(command, "--metrics-port", &ServeConfig::metrics_port, "The router's metrics port; 0: a free one (default 9071, 0 with --port 0)")
      ->check(ports);
  Add(command, "--coordinator-port", &ServeConfig::coordinator_port,
      "The coordinator's gRPC port; 0: a free one (default 7070, 0 with --port 0)")
      ->check(ports);
}

void ServeFlags::AddEngine(CLI::App& command) {
  Add(command, "--kv-blocks", &ServeConfig::kv_blocks, "KV blocks of 16 tokens in each decoder")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  Add(command, "--max-step-tokens", &ServeConfig::max_step_tokens, "Tokens of one engine step, prefill chunks included")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  Add(command, "--max-chunk-tokens", &ServeConfig::max_chunk_tokens, "Prompt tokens of one request in one step")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
}

void ServeFlags::AddPictures(CLI::App& command) {
  Add(command, "--library", &ServeConfig::libraries,
      "A picture library for articles, by the name that `triptych library add` gave it or by its folder; repeatable, the first is the "
      "default")
      ->expected(1)
      ->take_all();
  Add(command, "--image-host", &ServeConfig::image_hosts,
      "A host that pictures named by https URLs are fetched from; repeatable (without any such pictures are refused)")
      ->expected(1)
      ->take_all();
  options_.emplace_back(command.add_flag("--private-image-addresses", given_.image_private_addresses,
                                         "Fetch pictures also where these hosts are not in the public internet"),
                        [](ServeConfig& config) { config.image_private_addresses = true; });
}

void ServeFlags::AddAccess(CLI::App& command) {
  const auto tls = [](std::string TlsFiles::*file) { return [file](ServeConfig& config) -> std::string& { return config.tls.*file; }; };
  const auto internal = [](std::string TlsFiles::*file) {
    return [file](ServeConfig& config) -> std::string& { return config.internal_tls.*file; };
  };
  Add(command, "--tls-certificate", tls(&TlsFiles::certificate),
      "PEM file: the certificate of the router's gRPC and HTTP ports, its chain behind it; with it they speak TLS alone");
  Add(command, "--tls-key", tls(&TlsFiles::key), "PEM file: its key");
  Add(command, "--tls-client-ca", tls(&TlsFiles::ca),
      "PEM file: the authority that clients' certificates have to be from; without it they need none");
  Add(command, "--api-keys", &ServeConfig::api_keys,
      "File of the keys that clients need, each a line NAME:KEY or NAME:sha256:HEX; without it they need none");
  Add(command, "--internal-tls-certificate", internal(&TlsFiles::certificate),
      "PEM file: the processes' certificate for each other, good for the names triptych-coordinator, -router, -worker and -admin");
  Add(command, "--internal-tls-key", internal(&TlsFiles::key), "PEM file: its key");
  Add(command, "--internal-tls-ca", internal(&TlsFiles::ca), "PEM file: its authority");
}

}  // namespace triptych::cli
