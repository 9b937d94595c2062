#pragma once

#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>

#include "CLI/CLI.hpp"
#include "common/status.h"
#include "common/tls/tls_files.h"

namespace triptych::cli {

// How a server is reached: over TLS or not, as whom.
struct Access {
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  std::string name;     // that the server's certificate has to bear; empty: its host's
  std::string api_key;  // sent with each call; empty: none
};

// The flags that say so. TLS is spoken where --tls-ca is given.
class AccessFlags {
 public:
  void AddToClient(CLI::App& command);  // of routers
  void AddToAdmin(CLI::App& command);   // of the coordinator, which takes internal certificates alone
  StatusOr<Access> Open() const;        // an error names the file or flag

 private:
  void AddTls(CLI::App& command, const char* of_ca);
  TlsFiles tls_;
  std::string name_;
  std::string api_key_;
};

// Mutual TLS as between the cluster's processes. Without files none.
StatusOr<Access> OpenInternally(const TlsFiles& files);

}  // namespace triptych::cli
