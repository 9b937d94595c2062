#include "common/rpc/tls_credentials.h"

#include <grpc/grpc_security.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <algorithm>
#include <mutex>

#include "common/check.h"

namespace triptych {
namespace {

constexpr unsigned kLookSeconds = 1;

// gRPC's own C++ credentials read what is there, good or bad; the C API lets us say what is taken.
// Owned by the server, and through it used for as long as there are handshakes.
class WatchedServerCredentials final : public grpc::ServerCredentials {
 public:
  WatchedServerCredentials(std::shared_ptr<TlsSource> source, std::vector<std::string> client_names)
      : state_(new State{std::move(source), std::move(client_names)}) {
    const auto request = state_->source->asks_for_certificates()
                             ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                             : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE;
    credentials_ = grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(request, Fetch, state_));
    // Also says when gRPC is done with the credentials, and with our state.
    grpc_server_credentials_set_auth_metadata_processor(credentials_, {CheckClient, DeleteState, state_});
  }
  ~WatchedServerCredentials() override { grpc_server_credentials_release(credentials_); }

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {
    TRIPTYCH_CHECK(false);  // nobody does
  }

 private:
  struct State {
    const std::shared_ptr<TlsSource> source;
    const std::vector<std::string> client_names;
    std::mutex mutex;
    std::shared_ptr<const TlsMaterial> given;  // guarded by mutex
  };

  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  // At each handshake.
  static grpc_ssl_certificate_config_reload_status Fetch(void* user, grpc_ssl_server_certificate_config** config) {
    State& state = *static_cast<State*>(user);
    std::shared_ptr<const TlsMaterial> current = state.source->Current();
    std::lock_guard lock(state.mutex);
    if (current == state.given) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    const grpc_ssl_pem_key_cert_pair pair{current->key.c_str(), current->certificate.c_str()};
    // gRPC 1.51 asserts that there is an authority, also where no client is asked for a certificate:
    // then any will do, for none is compared with it.
    const std::string& authority = current->ca.empty() ? current->certificate : current->ca;
    *config = grpc_ssl_server_certificate_config_create(authority.c_str(), &pair, 1);
    state.given = std::move(current);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  // At each call.
  static void CheckClient(void* user,
                          grpc_auth_context* context,
                          const grpc_metadata*,
                          size_t,
                          grpc_process_auth_metadata_done_cb done,
                          void* call) {
    const std::vector<std::string>& names = static_cast<State*>(user)->client_names;
    bool known = names.empty();
    grpc_auth_property_iterator found =
        grpc_auth_context_find_properties_by_name(context, GRPC_PEER_DNS_PROPERTY_NAME);
    while (const grpc_auth_property* name = grpc_auth_property_iterator_next(&found)) {
      known = known || std::ranges::find(names, std::string_view(name->value, name->value_length)) != names.end();
    }
    if (known) return done(call, nullptr, 0, nullptr, 0, GRPC_STATUS_OK, nullptr);
    const std::string why = fmt::format("the client's certificate has none of the names {}", fmt::join(names, ", "));
    done(call, nullptr, 0, nullptr, 0, GRPC_STATUS_PERMISSION_DENIED, why.c_str());
  }

  static void DeleteState(void* user) { delete static_cast<State*>(user); }

  State* const state_;  // of the credentials, which outlive this
  grpc_server_credentials* credentials_ = nullptr;
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> ServerTls(std::shared_ptr<TlsSource> source, std::vector<std::string> client_names) {
  return std::make_shared<WatchedServerCredentials>(std::move(source), std::move(client_names));
}

StatusOr<InternalTls> InternalTls::Open(const TlsFiles& files, std::vector<std::string> clients) {
  TRIPTYCH_ASSIGN_OR_RETURN(std::shared_ptr<TlsSource> source, TlsSource::Open("tls", files));
  if (source == nullptr) return InternalTls{};
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      files.key, files.certificate, files.ca, kLookSeconds));
  options.watch_identity_key_cert_pairs();
  options.watch_root_certs();
  return InternalTls{.server = ServerTls(source, std::move(clients)),
                     .client = grpc::experimental::TlsCredentials(options),
                     .source = source};
}

}  // namespace triptych
