#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "common/ids.h"
#include "common/status.h"
#include "common/tls/watched_files.h"

namespace triptych::router {

// One key of the file, as its digest: keys themselves are kept nowhere.
struct ApiKey {
  std::string name;  // the tenant's
  Sha256Digest digest;
};

// One key a line, NAME:KEY or NAME:sha256:HEX (the SHA-256 of the key); empty lines and those that
// begin with # are skipped. A name may have several keys, so that they can be exchanged.
// kFailedPrecondition names the line and what is allowed, and never quotes it.
StatusOr<std::vector<ApiKey>> ParseApiKeys(std::string_view text);

// The keys of a file, which is read again once it has changed. What was good stays for as long as
// what is there is not: that is logged once for each change. Thread-safe.
class ApiKeys {
 public:
  // kFailedPrecondition names the file, and the line.
  static StatusOr<std::unique_ptr<ApiKeys>> Open(const std::string& path, Duration pause = std::chrono::seconds(1));

  // Whose key it is in "Bearer KEY", as a tenant. kUnauthenticated (reason NO_API_KEY or
  // INVALID_API_KEY) where it is nobody's. Takes as long for each key.
  StatusOr<std::string> TenantOf(std::string_view authorization);

 private:
  ApiKeys(std::string path, Duration pause) : path_(std::move(path)), watched_({path_}, pause) {}
  StatusOr<std::vector<ApiKey>> Read() const;
  std::shared_ptr<const std::vector<ApiKey>> Current();

  const std::string path_;
  std::mutex mutex_;
  WatchedFiles watched_;  // guarded by mutex_, as the next
  std::shared_ptr<const std::vector<ApiKey>> keys_;
};

}  // namespace triptych::router
