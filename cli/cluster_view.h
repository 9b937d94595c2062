#pragma once

#include <string>

#include "cli/access.h"
#include "common/status.h"
#include "triptych/internal/v1/cluster.pb.h"

namespace triptych::cli {

// What the coordinator knows of the cluster, now.
StatusOr<internal::v1::ClusterUpdate> ReadView(const std::string& coordinator, const Access& access);

}  // namespace triptych::cli
