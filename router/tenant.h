#pragma once

#include <string>
#include <string_view>

namespace triptych::router {

// Who a call is for: a digest of its credentials, which themselves are kept nowhere. Calls without credentials share the empty tenant.
std::string TenantOf(std::string_view credentials);

// Salts of the caches: equal only for equal tenants (and, where rows depend on it, equal adapters). No field of a request enters.
std::string PrefixSalt(std::string_view tenant, std::string_view adapter);

}  // namespace triptych::router
