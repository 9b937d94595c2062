#pragma once

#include <memory>
#include <mutex>

#include "common/status.h"
#include "common/tls/tls_files.h"
#include "common/tls/watched_files.h"

namespace triptych {

// The certificate that new connections are made with. Its files are read again once they have
// changed, and what was good stays for as long as what is there is not: that is logged once for each
// change. Thread-safe.
class TlsSource {
 public:
  // Null where there is no TLS. kFailedPrecondition as ReadTlsMaterial, behind the section's name.
  static StatusOr<std::shared_ptr<TlsSource>> Open(std::string_view section,
                                                   const TlsFiles& files,
                                                   Duration pause = std::chrono::seconds(1));

  // Another pointer where it is other material. Reads files, if they have changed.
  std::shared_ptr<const TlsMaterial> Current();
  bool asks_for_certificates() const { return !files_.ca.empty(); }

 private:
  TlsSource(TlsFiles files, Duration pause);

  const TlsFiles files_;
  std::mutex mutex_;
  WatchedFiles watched_;                       // guarded by mutex_, as the next
  std::shared_ptr<const TlsMaterial> material_;
};

}  // namespace triptych
