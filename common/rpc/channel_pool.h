#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include <grpcpp/grpcpp.h>

#include "common/string_map.h"
#include "common/tls/tls_files.h"

namespace triptych {

// One channel for each address and purpose, with internal keepalive and message caps set, so that a dead or silent peer is noticed
// within two seconds. Two purposes ("control", "bulk") keep picture bytes and tokens off each other's connections. A channel that nobody
// holds and that is not connected goes when another is made: peers that are gone for good leave nothing behind. Thread-safe.
class ChannelPool {
 public:
  enum class Purpose { kControl, kBulk };
  explicit ChannelPool(std::shared_ptr<grpc::ChannelCredentials> credentials = nullptr)  // null: without TLS
      : credentials_(std::move(credentials)) {}
  // With TLS, the peer's certificate has to bear `name`.
  std::shared_ptr<grpc::Channel> Get(std::string_view address, Purpose purpose, const char* name = kWorkerName);
  size_t size() const;

 private:
  const std::shared_ptr<grpc::ChannelCredentials> credentials_;
  mutable std::mutex mutex_;
  StringMap<std::shared_ptr<grpc::Channel>> channels_;  // guarded by mutex_
};

}  // namespace triptych
