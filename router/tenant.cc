#include "router/tenant.h"

#include "common/hash/sha256.h"

namespace triptych::router {
namespace {

std::string AsString(const Sha256Digest& digest) { return {digest.begin(), digest.end()}; }

}  // namespace

std::string TenantOf(std::string_view credentials) {
  if (credentials.empty()) return {};
  return AsString(FieldHasher("triptych tenant 1").Text(credentials).Finish());
}

std::string TenantOfName(std::string_view name) {
  return AsString(FieldHasher("triptych named tenant 1").Text(name).Finish());
}

std::string PrefixSalt(std::string_view tenant, std::string_view adapter) {
  return AsString(FieldHasher("triptych prefix salt 1").Text(tenant).Text(adapter).Finish());
}

}  // namespace triptych::router
