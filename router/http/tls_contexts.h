#pragma once

#include <memory>
#include <mutex>

#include <boost/asio/ssl/context.hpp>

#include "common/async/io_runtime.h"
#include "common/status.h"
#include "common/tls/tls_source.h"

namespace triptych::router {

// The TLS context of new connections, made anew when the source has other material; connections
// keep theirs. TLS 1.2 and later. Thread-safe.
class TlsContexts {
 public:
  explicit TlsContexts(std::shared_ptr<TlsSource> source) : source_(std::move(source)) {}  // null: no TLS

  bool enabled() const { return source_ != nullptr; }
  // Null where there is no TLS.
  std::shared_ptr<asio::ssl::context> Current();

 private:
  const std::shared_ptr<TlsSource> source_;
  std::mutex mutex_;
  std::shared_ptr<const TlsMaterial> material_;  // guarded by mutex_, as the next
  std::shared_ptr<asio::ssl::context> context_;
};

}  // namespace triptych::router
