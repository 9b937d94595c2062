#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "common/status.h"

namespace triptych::router {

// Who a call is for: a digest of its credentials, which themselves are kept nowhere. Calls without credentials share the empty tenant.
std::string TenantOf(std::string_view credentials);

// The same where credentials are checked and have a name (api_keys.h): all keys of a name are one tenant.
std::string TenantOfName(std::string_view name);

// Either of them: the tenant by the credentials, or kUnauthenticated. Called on any thread; must not block.
using TenantResolver = std::function<StatusOr<std::string>(std::string_view credentials)>;

// Salts of the caches: equal only for equal tenants (and, where rows depend on it, equal adapters). No field of a request enters.
std::string PrefixSalt(std::string_view tenant, std::string_view adapter);

}  // namespace triptych::router
