#include "router/http/tls_contexts.h"

#include <boost/asio/buffer.hpp>

#include "common/log/log.h"

namespace triptych::router {
namespace {

namespace ssl = asio::ssl;
using boost::system::error_code;

std::shared_ptr<ssl::context> MakeContext(const TlsMaterial& material, error_code& error) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX* native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION);
  context->use_certificate_chain(asio::buffer(material.certificate), error);
  if (!error) context->use_private_key(asio::buffer(material.key), ssl::context::pem, error);
  if (error || material.ca.empty()) return context;
  context->add_certificate_authority(asio::buffer(material.ca), error);
  context->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
  // A session is resumed only where it was begun.
  constexpr unsigned char kSessions[] = "triptych";
  SSL_CTX_set_session_id_context(native, kSessions, sizeof(kSessions) - 1);
  return context;
}

}  // namespace

std::shared_ptr<ssl::context> TlsContexts::Current() {
  if (source_ == nullptr) return nullptr;
  std::shared_ptr<const TlsMaterial> current = source_->Current();
  std::lock_guard lock(mutex_);
  if (current == material_) return context_;
  material_ = std::move(current);
  error_code error;
  std::shared_ptr<ssl::context> made = MakeContext(*material_, error);
  if (error) {
    spdlog::error("HTTP: the former certificate stays: {}", error.message());
  } else {
    context_ = std::move(made);
  }
  return context_;
}

}  // namespace triptych::router
