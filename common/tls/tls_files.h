#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/status.h"

namespace triptych {

// What the internal certificates of our processes are named by (a DNS name among the certificate's
// alternative names): whoever connects expects the one of the role that is called, and a server
// takes those of the roles that may call it. One certificate may bear several.
inline constexpr char kCoordinatorName[] = "triptych-coordinator";
inline constexpr char kRouterName[] = "triptych-router";
inline constexpr char kWorkerName[] = "triptych-worker";
inline constexpr char kAdminName[] = "triptych-admin";  // `triptych status`, `triptych drain`

// One side of TLS, as PEM files.
struct TlsFiles {
  std::string certificate;  // with its chain behind it; empty: no TLS
  std::string key;
  std::string ca;  // which the other side's certificate has to be from; empty: it needs none

  bool enabled() const { return !certificate.empty(); }
};

// The keys of a section of a configuration, for YamlReader and YamlWriter alike.
template <typename Visitor, typename Files>
void VisitTlsFiles(Visitor& yaml, std::string_view section, std::string_view ca_key, Files& files) {
  yaml.Section(section, [&](Visitor& keys) {
    keys.Field("certificate", &files.certificate);
    keys.Field("key", &files.key);
    keys.Field(ca_key, &files.ca);
  });
}

// The certificates of a file; as ReadTlsMaterial where there is none.
StatusOr<std::string> ReadTlsAuthority(const std::string& path);

// Which of the files have to be given together; the files themselves are not looked at.
Status CheckTlsFiles(std::string_view section, std::string_view ca_key, const TlsFiles& files, bool needs_ca);

// The texts of the files, which fit together.
struct TlsMaterial {
  std::string certificate;
  std::string key;
  std::string ca;
  std::string expires;     // when the certificate does, for the log
  int64_t expires_at = 0;  // the same in Unix time, seconds
};

// kFailedPrecondition names the file and what is wrong with it: it cannot be read, is not PEM, is
// expired or not valid yet, or the key belongs to another certificate. Never quotes a file.
StatusOr<TlsMaterial> ReadTlsMaterial(const TlsFiles& files);

}  // namespace triptych
