#pragma once

#include <chrono>
#include <string>

#include "common/config/endpoint.h"
#include "common/limits.h"
#include "common/status.h"
#include "common/tls/tls_files.h"

namespace triptych::coordinator {

struct CoordinatorConfig {
  Endpoint listen{"127.0.0.1", 7070};
  Endpoint metrics_listen{"127.0.0.1", 9070};
  std::chrono::milliseconds lease_ttl = kLeaseTtl;    // a worker silent for so long is suspect, for twice as long gone
  std::chrono::milliseconds step_stall = kStepStall;  // a worker with work and no finished step for so long is suspect
  TlsFiles tls;                                       // of all internal connections
  std::string log_format = "text";                    // text, json
};

Status ReadCoordinatorConfig(const std::string& path, CoordinatorConfig& config);
Status FinishCoordinatorConfig(const CoordinatorConfig& config);
std::string PrintCoordinatorConfig(const CoordinatorConfig& config);

}  // namespace triptych::coordinator
