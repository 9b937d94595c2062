#include "common/tls/certificate_metric.h"

#include <string>
#include <utility>

namespace triptych {

void ExportExpiry(MetricRegistry* registry, std::string_view use, std::shared_ptr<TlsSource> source) {
  if (source == nullptr) return;
  auto& expiry = registry->Gauge("triptych_certificate_expiry_timestamp_seconds",
                                 "When the certificate that is served expires, Unix time",
                                 {{"use", std::string(use)}});
  registry->BeforeRead([&expiry, source = std::move(source)] {
    expiry.Set(static_cast<double>(source->Current()->expires_at));
  });
}

}  // namespace triptych
