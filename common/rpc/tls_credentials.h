#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "common/status.h"
#include "common/tls/tls_files.h"
#include "common/tls/tls_source.h"

namespace triptych {

// For a server's port, TLS 1.2 and later: each new connection is made with the source's current
// material. Clients show a certificate of its authority, where it has one; with `client_names` only
// those that bear one of these names are served, others hear PERMISSION_DENIED.
std::shared_ptr<grpc::ServerCredentials> ServerTls(std::shared_ptr<TlsSource> source,
                                                   std::vector<std::string> client_names);

// What our own processes reach each other by, mutual TLS in both directions; all null where there
// is none. Files that change are followed; with new ones that are bad servers go on as they were,
// and new connections of our own fail until the files are good.
struct InternalTls {
  std::shared_ptr<grpc::ServerCredentials> server;
  std::shared_ptr<grpc::ChannelCredentials> client;
  std::shared_ptr<TlsSource> source;

  // `clients`: the names of who may call this process. kFailedPrecondition names the file.
  static StatusOr<InternalTls> Open(const TlsFiles& files, std::vector<std::string> clients);
};

}  // namespace triptych
