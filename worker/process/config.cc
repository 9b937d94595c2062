#include "worker/process/config.h"

#include <algorithm>
#include <filesystem>

#include "common/config/yaml_reader.h"
#include "common/config/yaml_writer.h"

namespace triptych::worker {
namespace {

constexpr int64_t kMaxInt32 = 0x7fffffff;

// The one list of keys: reader and writer walk the same.
template <typename Visitor, typename Config>
void VisitFields(Visitor& yaml, Config& config) {
  yaml.Field("name", &config.name);
  yaml.Field("roles", &config.roles);
  yaml.Field("model", &config.model);
  yaml.Field("model_name", &config.model_name);
  yaml.Field("coordinator", &config.coordinator);
  yaml.Field("listen", &config.listen);
  yaml.Field("metrics_listen", &config.metrics_listen);
  yaml.Field("advertise", &config.advertise);
  yaml.Field("load_format", &config.load_format);
  yaml.Field("weights", &config.weights);
  yaml.Field("device", &config.device);
  yaml.Field("dtype", &config.dtype);
  yaml.Field("tensor_parallel", &config.tensor_parallel, {1, 64});
  yaml.Field("group", &config.group);
  yaml.Field("first_rank", &config.first_rank, {0, 63});
  yaml.Field("num_ranks", &config.num_ranks, {0, 64});
  yaml.Field("threads_per_rank", &config.threads_per_rank, {0, 1024});
  yaml.Field("kv_blocks", &config.kv_blocks, {1, kMaxInt32});
  yaml.Field("max_sequences", &config.max_sequences, {1, 65536});
  yaml.Field("max_step_tokens", &config.max_step_tokens, {1, 1 << 20});
  yaml.Field("max_chunk_tokens", &config.max_chunk_tokens, {1, 1 << 20});
  yaml.Field("max_waiting", &config.max_waiting, {1, 1 << 20});
  yaml.Field("prefix_cache", &config.prefix_cache);
  yaml.Field("embedding_cache_bytes", &config.embedding_cache_bytes, {1 << 20, int64_t{1} << 50});
  yaml.Field("max_batch_tiles", &config.max_batch_tiles, {1, 4096});
  yaml.Field("prepare_threads", &config.prepare_threads, {1, 256});
  yaml.Field("max_waiting_images", &config.max_waiting_images, {1, 1 << 20});
  yaml.Field("step_stall", &config.step_stall);
  yaml.Field("drain_deadline", &config.drain_deadline);
  yaml.Field("log_format", &config.log_format);
  VisitTlsFiles(yaml, "tls", "ca", config.tls);
}

Status CheckOneOf(std::string_view key, const std::string& value, std::initializer_list<std::string_view> allowed) {
  if (std::ranges::find(allowed, std::string_view(value)) != allowed.end()) return OkStatus();
  return FailedPrecondition("{}: '{}' is not one of {}", key, value, fmt::join(allowed, ", "));
}

}  // namespace

bool WorkerConfig::has_role(std::string_view role) const {
  return std::ranges::find(roles, role) != roles.end();
}

Status ReadWorkerConfig(const std::string& path, WorkerConfig& config) {
  TRIPTYCH_ASSIGN_OR_RETURN(YamlReader reader, YamlReader::FromFile(path));
  VisitFields(reader, config);
  return reader.Finish();
}

Status FinishWorkerConfig(WorkerConfig& config) {
  if (config.model.empty()) return FailedPrecondition("model: the checkpoint's folder is not given");
  if (config.roles.empty()) return FailedPrecondition("roles: give encoder, decoder or both");
  for (const std::string& role : config.roles) TRIPTYCH_RETURN_IF_ERROR(CheckOneOf("roles", role, {"encoder", "decoder"}));
  TRIPTYCH_RETURN_IF_ERROR(CheckOneOf("load_format", config.load_format, {"auto", "safetensors", "torch", "dummy"}));
  TRIPTYCH_RETURN_IF_ERROR(CheckOneOf("weights", config.weights, {"stored", "int8", "int4"}));
  if (config.weights != "stored" && !config.has_role("decoder")) {
    return FailedPrecondition("weights: '{}' is for decoders; an encoder's are as stored: take 'stored'", config.weights);
  }
  TRIPTYCH_RETURN_IF_ERROR(CheckOneOf("device", config.device, {"cpu", "cuda"}));
  TRIPTYCH_RETURN_IF_ERROR(CheckOneOf("dtype", config.dtype, {"auto", "float32", "bfloat16"}));
  if (config.device == "cpu" && config.dtype == "bfloat16") {
    return FailedPrecondition("dtype: the CPU computes in float32, whatever dtype the checkpoint's weights have; take 'auto'");
  }
  TRIPTYCH_RETURN_IF_ERROR(CheckOneOf("log_format", config.log_format, {"text", "json"}));
  TRIPTYCH_RETURN_IF_ERROR(CheckTlsFiles("tls", "ca", config.tls, /*needs_ca=*/true));
  if (config.num_ranks == 0) config.num_ranks = config.tensor_parallel - config.first_rank;
  if (config.num_ranks < 1 || config.first_rank + config.num_ranks > config.tensor_parallel) {
    return FailedPrecondition("first_rank, num_ranks: ranks [{}, {}) are not among the {} of tensor_parallel",
                              config.first_rank, config.first_rank + config.num_ranks, config.tensor_parallel);
  }
  if (config.num_ranks < config.tensor_parallel) {
    if (config.group.empty()) return FailedPrecondition("group: name the shard group that this process is a part of");
    if (config.has_role("encoder")) return FailedPrecondition("roles: a part of a shard group is a decoder alone");
  }
  if (config.max_chunk_tokens > config.max_step_tokens) config.max_chunk_tokens = config.max_step_tokens;
  if (config.model_name.empty()) {
    config.model_name = std::filesystem::path(config.model).lexically_normal().filename().string();
  }
  return OkStatus();
}

std::string PrintWorkerConfig(const WorkerConfig& config) {
  YamlWriter writer;
  VisitFields(writer, config);
  return writer.Finish();
}

}  // namespace triptych::worker
