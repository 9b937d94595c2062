#include "common/tls/tls_files.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <ctime>
#include <memory>
#include <vector>

#include "common/text_file.h"

namespace triptych {
namespace {

struct Freed {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <typename T>
using Owned = std::unique_ptr<T, Freed>;

StatusOr<std::string> ReadPem(const std::string& path) {
  TRIPTYCH_ASSIGN_OR_RETURN(std::string text, ReadTextFile(path));
  if (text.empty()) return FailedPrecondition("{}: the file is empty", path);
  return text;
}

Owned<BIO> Over(const std::string& text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string InWords(const ASN1_TIME* time) {
  const Owned<BIO> out(BIO_new(BIO_s_mem()));
  ASN1_TIME_print(out.get(), time);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);  // NOLINT: OpenSSL's type
  return {text, static_cast<size_t>(size)};
}

// Seconds of Unix time.
int64_t InUnixTime(const ASN1_TIME* time) {
  std::tm broken_down{};
  ASN1_TIME_to_tm(time, &broken_down);
  return timegm(&broken_down);
}

// All certificates of a file, at least one.
StatusOr<std::vector<Owned<X509>>> ParseCertificates(const std::string& path, const std::string& text) {
  const Owned<BIO> bio = Over(text);
  std::vector<Owned<X509>> certificates;
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) certificates.emplace_back(next);
  const auto error = ERR_peek_last_error();
  const bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (certificates.empty()) return FailedPrecondition("{}: no certificate in PEM is in it", path);
  if (!at_end) return FailedPrecondition("{}: its certificate {} is broken", path, certificates.size() + 1);
  return certificates;
}

int RefusePassphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

StatusOr<Owned<EVP_PKEY>> ParseKey(const std::string& path, const std::string& text) {
  const Owned<BIO> bio = Over(text);
  bool asked = false;
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, RefusePassphrase, &asked));
  ERR_clear_error();
  if (asked) return FailedPrecondition("{}: the key is under a passphrase; give one without", path);
  if (key == nullptr) return FailedPrecondition("{}: no private key in PEM is in it", path);
  return key;
}

Status CheckTime(const std::string& path, const X509* certificate) {
  const ASN1_TIME* begin = X509_get0_notBefore(certificate);
  const ASN1_TIME* end = X509_get0_notAfter(certificate);
  if (X509_cmp_current_time(end) <= 0) return FailedPrecondition("{}: the certificate has expired: {}", path, InWords(end));
  if (X509_cmp_current_time(begin) > 0)
    return FailedPrecondition("{}: the certificate is not valid before {}", path, InWords(begin));
  return OkStatus();
}

}  // namespace

Status CheckTlsFiles(std::string_view section, std::string_view ca_key, const TlsFiles& files, bool needs_ca) {
  if (files.certificate.empty() && files.key.empty() && files.ca.empty()) return OkStatus();
  const auto missing = [&](std::string_view key) { return FailedPrecondition("{}.{}: the file is not given", section, key); };
  if (files.certificate.empty()) return missing("certificate");
  if (files.key.empty()) return missing("key");
  if (needs_ca && files.ca.empty()) return missing(ca_key);
  return OkStatus();
}

StatusOr<std::string> ReadTlsAuthority(const std::string& path) {
  TRIPTYCH_ASSIGN_OR_RETURN(std::string text, ReadPem(path));
  TRIPTYCH_RETURN_IF_ERROR(ParseCertificates(path, text).status());
  return text;
}

StatusOr<TlsMaterial> ReadTlsMaterial(const TlsFiles& files) {
  TlsMaterial material;
  TRIPTYCH_ASSIGN_OR_RETURN(material.certificate, ReadPem(files.certificate));
  TRIPTYCH_ASSIGN_OR_RETURN(const auto chain, ParseCertificates(files.certificate, material.certificate));
  TRIPTYCH_RETURN_IF_ERROR(CheckTime(files.certificate, chain.front().get()));
  const ASN1_TIME* end = X509_get0_notAfter(chain.front().get());
  material.expires = InWords(end);
  material.expires_at = InUnixTime(end);
  TRIPTYCH_ASSIGN_OR_RETURN(material.key, ReadPem(files.key));
  TRIPTYCH_ASSIGN_OR_RETURN(const auto key, ParseKey(files.key, material.key));
  const bool fits = X509_check_private_key(chain.front().get(), key.get()) == 1;
  ERR_clear_error();
  if (!fits) return FailedPrecondition("{}: the key is not that of the certificate in {}", files.key, files.certificate);
  if (files.ca.empty()) return material;
  TRIPTYCH_ASSIGN_OR_RETURN(material.ca, ReadTlsAuthority(files.ca));
  return material;
}

}  // namespace triptych
