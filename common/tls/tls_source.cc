#include "common/tls/tls_source.h"

#include "common/log/log.h"

namespace triptych {

TlsSource::TlsSource(TlsFiles files, Duration pause)
    : files_(std::move(files)), watched_({files_.certificate, files_.key, files_.ca}, pause) {}

StatusOr<std::shared_ptr<TlsSource>> TlsSource::Open(std::string_view section, const TlsFiles& files, Duration pause) {
  if (!files.enabled()) return std::shared_ptr<TlsSource>();
  const std::shared_ptr<TlsSource> source(new TlsSource(files, pause));
  auto material = ReadTlsMaterial(files);
  if (!material.ok()) return WithContext(section, material.status());
  source->material_ = std::make_shared<const TlsMaterial>(*std::move(material));
  return source;
}

std::shared_ptr<const TlsMaterial> TlsSource::Current() {
  std::lock_guard lock(mutex_);
  if (!watched_.Changed(std::chrono::steady_clock::now())) return material_;
  auto material = ReadTlsMaterial(files_);
  if (material.ok()) {
    material_ = std::make_shared<const TlsMaterial>(*std::move(material));
    spdlog::info("certificate {} is read anew; it expires {}", files_.certificate, material_->expires);
  } else {
    spdlog::error("the former certificate stays: {}", Message(material.status()));
  }
  return material_;
}

}  // namespace triptych
