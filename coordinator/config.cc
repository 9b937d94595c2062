#include "coordinator/config.h"

#include "common/config/yaml_reader.h"
#include "common/config/yaml_writer.h"

namespace triptych::coordinator {
namespace {

template <typename Visitor, typename Config>
void VisitFields(Visitor& yaml, Config& config) {
  yaml.Field("listen", &config.listen);
  yaml.Field("metrics_listen", &config.metrics_listen);
  yaml.Field("lease_ttl", &config.lease_ttl);
  yaml.Field("step_stall", &config.step_stall);
  yaml.Field("log_format", &config.log_format);
  VisitTlsFiles(yaml, "tls", "ca", config.tls);
}

}  // namespace

Status ReadCoordinatorConfig(const std::string& path, CoordinatorConfig& config) {
  TRIPTYCH_ASSIGN_OR_RETURN(YamlReader reader, YamlReader::FromFile(path));
  VisitFields(reader, config);
  return reader.Finish();
}

Status FinishCoordinatorConfig(const CoordinatorConfig& config) {
  constexpr std::chrono::milliseconds kLeastTtl{100};
  if (config.lease_ttl < kLeastTtl) {
    return FailedPrecondition("lease_ttl: {} ms is below {} ms", config.lease_ttl.count(), kLeastTtl.count());
  }
  if (config.log_format != "text" && config.log_format != "json") {
    return FailedPrecondition("log_format: '{}' is not one of text, json", config.log_format);
  }
  return CheckTlsFiles("tls", "ca", config.tls, /*needs_ca=*/true);
}

std::string PrintCoordinatorConfig(const CoordinatorConfig& config) {
  YamlWriter writer;
  VisitFields(writer, config);
  return writer.Finish();
}

}  // namespace triptych::coordinator
