#include "tests/fakes/test_certificate.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>

#include "common/check.h"

namespace triptych::fakes {
namespace {

struct Freed {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
};
template <typename T>
using Owned = std::unique_ptr<T, Freed>;

std::string Content(BIO* bio) {
  char* text = nullptr;
  const auto size = BIO_get_mem_data(bio, &text);
  return {text, static_cast<size_t>(size)};
}

void AddExtension(X509* certificate, int kind, const std::string& value) {
  const Owned<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str()));
  TRIPTYCH_CHECK(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1);
}

Owned<X509> Make(EVP_PKEY* key, const char* subject, std::chrono::seconds from, std::chrono::seconds to) {
  static std::atomic<long> serial{1};  // NOLINT: OpenSSL's type
  Owned<X509> certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), from.count());
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), to.count());
  X509_set_pubkey(certificate.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(subject), -1, -1, 0);
  return certificate;
}

std::string Pem(X509* certificate) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  TRIPTYCH_CHECK(PEM_write_bio_X509(bio.get(), certificate) == 1);
  return Content(bio.get());
}

}  // namespace

struct TestAuthority::Impl {
  Owned<EVP_PKEY> key{EVP_EC_gen("P-256")};
  Owned<X509> certificate;
};

TestAuthority::TestAuthority() : impl_(std::make_unique<Impl>()) {
  constexpr std::chrono::hours kDay{24};
  static std::atomic<int> count{0};  // no two bear one name
  const std::string name = "Test authority " + std::to_string(++count);
  impl_->certificate = Make(impl_->key.get(), name.c_str(), -kDay, kDay);
  X509* own = impl_->certificate.get();
  X509_set_issuer_name(own, X509_get_subject_name(own));
  AddExtension(own, NID_basic_constraints, "critical,CA:TRUE");
  TRIPTYCH_CHECK(X509_sign(own, impl_->key.get(), EVP_sha256()) != 0);
  certificate_ = Pem(own);
}

TestAuthority::~TestAuthority() = default;

TestCertificate TestAuthority::Issue(const std::string& names, std::chrono::seconds from, std::chrono::seconds to) const {
  const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  const Owned<X509> certificate = Make(key.get(), "A test", from, to);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(impl_->certificate.get()));
  AddExtension(certificate.get(), NID_subject_alt_name, names);
  TRIPTYCH_CHECK(X509_sign(certificate.get(), impl_->key.get(), EVP_sha256()) != 0);
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  TRIPTYCH_CHECK(PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return {.certificate = Pem(certificate.get()), .key = Content(bio.get())};
}

}  // namespace triptych::fakes
