#include "cli/access.h"

#include <algorithm>

namespace triptych::cli {

void AccessFlags::AddTls(CLI::App& command, const char* of_ca) {
  CLI::Option* ca = command.add_option("--tls-ca", tls_.ca, of_ca);
  CLI::Option* certificate =
      command.add_option("--tls-certificate", tls_.certificate, "PEM file: our own certificate, where the server asks for one");
  CLI::Option* key = command.add_option("--tls-key", tls_.key, "PEM file: its key");
  certificate->needs(ca, key);
  key->needs(certificate);
}

void AccessFlags::AddToClient(CLI::App& command) {
  AddTls(command, "PEM file: the authorities that the router's certificate may be from; with it TLS is spoken");
  command.add_option("--tls-name", name_, "The name that the certificate has to bear; without it the router's host")
      ->needs("--tls-ca");
  command.add_option("--api-key", api_key_, "Where the router asks for one; better in the environment, which others do not see")
      ->envname("TRIPTYCH_API_KEY");
}

void AccessFlags::AddToAdmin(CLI::App& command) {
  AddTls(command, "PEM file: the authority of the cluster's internal certificates; with it TLS is spoken");
  name_ = kCoordinatorName;
}

StatusOr<Access> AccessFlags::Open() const {
  const bool visible = std::ranges::all_of(api_key_, [](char c) { return c > ' ' && c <= '~'; });
  if (!visible) return InvalidArgument("--api-key, TRIPTYCH_API_KEY: a key has characters of ASCII without spaces only");
  Access access{.name = name_, .api_key = api_key_};
  if (tls_.ca.empty()) return access;
  grpc::SslCredentialsOptions options;
  if (tls_.certificate.empty()) {
    TRIPTYCH_ASSIGN_OR_RETURN(options.pem_root_certs, ReadTlsAuthority(tls_.ca));
  } else {
    TRIPTYCH_ASSIGN_OR_RETURN(const TlsMaterial material, ReadTlsMaterial(tls_));
    options = {material.ca, material.key, material.certificate};
  }
  access.credentials = grpc::SslCredentials(options);
  return access;
}

StatusOr<Access> OpenInternally(const TlsFiles& files) {
  if (!files.enabled()) return Access{};
  TRIPTYCH_ASSIGN_OR_RETURN(const TlsMaterial material, ReadTlsMaterial(files));
  return Access{.credentials = grpc::SslCredentials({material.ca, material.key, material.certificate}), .name = kCoordinatorName};
}

}  // namespace triptych::cli
