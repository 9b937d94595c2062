#pragma once

#include <memory>
#include <string_view>

#include "common/metrics/registry.h"
#include "common/tls/tls_source.h"

namespace triptych {

// Exports when the source's current certificate expires, under `use`: public or internal. Nothing
// where the source is null.
void ExportExpiry(MetricRegistry* registry, std::string_view use, std::shared_ptr<TlsSource> source);

}  // namespace triptych
