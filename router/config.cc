#include "router/config.h"

#include <filesystem>
#include <set>

#include "common/config/yaml_reader.h"
#include "common/config/yaml_writer.h"
#include "router/fetch/http_client.h"
#include "router/policies/routing_policy.h"

namespace triptych::router {
namespace {

constexpr int64_t kMaxInt32 = 0x7fffffff;

template <typename Visitor, typename Limits>
void VisitLimits(Visitor& yaml, Limits& limits) {
  yaml.Field("max_images", &limits.max_images, {0, 4096});
  yaml.Field("max_image_bytes", &limits.max_image_bytes, {1, kMaxGrpcMessageBytes});
  yaml.Field("max_image_pixels", &limits.max_image_pixels, {1, int64_t{1} << 32});
  yaml.Field("max_image_side", &limits.max_image_side, {1, 1 << 20});
  yaml.Field("max_image_aspect", &limits.max_image_aspect, {1, 1 << 20});
  yaml.Field("max_messages", &limits.max_messages, {1, 1 << 20});
  yaml.Field("max_text_bytes", &limits.max_text_bytes, {1, kMaxGrpcMessageBytes});
  yaml.Field("max_prompt_ids", &limits.max_prompt_ids, {1, kMaxInt32});
  yaml.Field("max_stop_strings", &limits.max_stop_strings, {0, 1024});
  yaml.Field("max_stop_string_bytes", &limits.max_stop_string_bytes, {1, 65536});
  yaml.Field("max_stop_token_ids", &limits.max_stop_token_ids, {0, 65536});
  yaml.Field("max_sequences", &limits.max_sequences, {1, 1024});
  yaml.Field("max_beams", &limits.max_beams, {1, 1024});
  yaml.Field("max_top_logprobs", &limits.max_top_logprobs, {0, 1024});
  yaml.Field("max_logit_bias", &limits.max_logit_bias, {0, 1 << 20});
  yaml.Field("max_choices", &limits.max_choices, {1, 65536});
  yaml.Field("max_choice_bytes", &limits.max_choice_bytes, {1, 1 << 20});
  yaml.Field("max_request_id_bytes", &limits.max_request_id_bytes, {1, 1024});
}

template <typename Visitor, typename Config>
void VisitFields(Visitor& yaml, Config& config) {
  yaml.Field("listen", &config.listen);
  yaml.Field("http_listen", &config.http_listen);
  yaml.Field("metrics_listen", &config.metrics_listen);
  yaml.Field("api_keys", &config.api_keys);
  VisitTlsFiles(yaml, "public_tls", "client_ca", config.public_tls);
  VisitTlsFiles(yaml, "tls", "ca", config.tls);
  yaml.Field("coordinator", &config.coordinator);
  yaml.Field("policy", &config.policy);
  yaml.Field("max_requests", &config.max_requests, {1, 1 << 20});
  yaml.Field("http_connections", &config.http_connections, {1, 1 << 16});
  yaml.Field("image_store_bytes", &config.image_store_bytes, {0, int64_t{1} << 40});
  yaml.Field("worker_wait", &config.worker_wait);
  yaml.Field("drain_deadline", &config.drain_deadline);
  yaml.Field("library_hosts", &config.library_hosts);
  yaml.Field("library_patience", &config.library_patience);
  yaml.Field("image_hosts", &config.image_hosts);
  yaml.Field("image_private_addresses", &config.image_private_addresses);
  yaml.Field("image_patience", &config.image_patience);
  yaml.Field("log_format", &config.log_format);
}

}  // namespace

Status ReadRouterConfig(const std::string& path, RouterConfig& config) {
  TRIPTYCH_ASSIGN_OR_RETURN(YamlReader reader, YamlReader::FromFile(path));
  VisitFields(reader, config);
  reader.List("models", [&](YamlReader& entry) {
    ModelEntry& model = config.models.emplace_back();
    entry.Field("name", &model.name);
    entry.Field("path", &model.path);
    entry.Require(!model.path.empty(), "path: the checkpoint's folder is not given");
  });
  reader.List("libraries", [&](YamlReader& entry) {
    LibraryEntry& library = config.libraries.emplace_back();
    entry.Field("name", &library.name);
    entry.Field("path", &library.path);
    entry.Field("url", &library.url);
    entry.Require(library.path.empty() != library.url.empty(), "one of path and url must be given");
    entry.Require(library.url.empty() || !library.name.empty(),
                  "name: a library with a url needs one");
  });
  reader.Section("limits", [&](YamlReader& limits) { VisitLimits(limits, config.limits); });
  return reader.Finish();
}

Status FinishRouterConfig(RouterConfig& config) {
  if (config.models.empty()) return FailedPrecondition("models: name at least one");
  std::set<std::string> names;
  for (ModelEntry& model : config.models) {
    if (model.name.empty()) model.name = std::filesystem::path(model.path).lexically_normal().filename().string();
    if (!names.insert(model.name).second) return FailedPrecondition("models: '{}' is there twice", model.name);
  }
  names.clear();
  for (LibraryEntry& library : config.libraries) {
    if (library.name.empty())
      library.name = std::filesystem::path(library.path).lexically_normal().filename().string();
    if (!names.insert(library.name).second)
      return FailedPrecondition("libraries: '{}' is there twice", library.name);
  }
  for (std::string& host : config.image_hosts) {
    const StatusOr<HttpUrl> url = HttpUrl::Parse("https://" + host);
    if (!url.ok() || url->Origin() != "https://" + url->host + ":443" || url->target != "/")
      return FailedPrecondition("image_hosts: '{}' is not a host's name alone", host);
    host = url->host;
  }
  if (config.log_format != "text" && config.log_format != "json") {
    return FailedPrecondition("log_format: '{}' is not one of text, json", config.log_format);
  }
  TRIPTYCH_RETURN_IF_ERROR(CheckTlsFiles("public_tls", "client_ca", config.public_tls, /*needs_ca=*/false));
  TRIPTYCH_RETURN_IF_ERROR(CheckTlsFiles("tls", "ca", config.tls, /*needs_ca=*/true));
  return MakePolicy(config.policy).status();
}

std::string PrintRouterConfig(const RouterConfig& config) {
  YamlWriter writer;
  VisitFields(writer, config);
  writer.List("models", config.models.size(), [&](YamlWriter& entry, size_t i) {
    entry.Field("name", &config.models[i].name);
    entry.Field("path", &config.models[i].path);
  });
  writer.List("libraries", config.libraries.size(), [&](YamlWriter& entry, size_t i) {
    const LibraryEntry& library = config.libraries[i];
    entry.Field("name", &library.name);
    entry.Field(library.url.empty() ? "path" : "url",
                library.url.empty() ? &library.path : &library.url);
  });
  writer.Section("limits", [&](YamlWriter& limits) { VisitLimits(limits, config.limits); });
  return writer.Finish();
}

}  // namespace triptych::router
