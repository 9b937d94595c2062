#include "router/api_keys.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <span>

#include "common/hash/sha256.h"
#include "common/log/log.h"
#include "common/status_reason.h"
#include "common/text_file.h"
#include "router/tenant.h"

namespace triptych::router {
namespace {

constexpr size_t kMaxNameBytes = 64;
constexpr size_t kMinKeyBytes = 16, kMaxKeyBytes = 512;
constexpr std::string_view kDigestMark = "sha256:";
constexpr std::string_view kScheme = "bearer ";

std::string_view Trim(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameBytes && std::ranges::all_of(text, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
  });
}

bool IsKey(std::string_view text) {
  return text.size() >= kMinKeyBytes && text.size() <= kMaxKeyBytes &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

Sha256Digest DigestOf(std::string_view key) {
  return Sha256(std::span(reinterpret_cast<const uint8_t*>(key.data()), key.size()));
}

StatusOr<ApiKey> ParseLine(std::string_view line) {
  const size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  if (colon == line.npos || !IsName(name))
    return FailedPrecondition("a line is NAME:KEY or NAME:sha256:HEX, its NAME 1 to {} letters, digits and any of . _ -",
                              kMaxNameBytes);
  std::string_view key = line.substr(colon + 1);
  if (!key.starts_with(kDigestMark)) {
    if (IsKey(key)) return ApiKey{std::string(name), DigestOf(key)};
    return FailedPrecondition("the key of '{}' has to be {} to {} characters of ASCII without spaces", name, kMinKeyBytes,
                              kMaxKeyBytes);
  }
  key.remove_prefix(kDigestMark.size());
  const std::optional<Sha256Digest> digest = Sha256FromHex(key);
  if (digest) return ApiKey{std::string(name), *digest};
  return FailedPrecondition("behind '{}:sha256:' there have to be 64 hexadecimal digits", name);
}

}  // namespace

StatusOr<std::vector<ApiKey>> ParseApiKeys(std::string_view text) {
  std::vector<ApiKey> keys;
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = Trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    auto key = ParseLine(line);
    if (!key.ok()) return WithContext(fmt::format("line {}", number), key.status());
    if (std::ranges::find(keys, key->digest, &ApiKey::digest) != keys.end())
      return FailedPrecondition("line {}: the key of '{}' is there twice", number, key->name);
    keys.push_back(*std::move(key));
  }
  if (keys.empty()) return FailedPrecondition("there is no key in it; give at least one line NAME:KEY");
  return keys;
}

StatusOr<std::unique_ptr<ApiKeys>> ApiKeys::Open(const std::string& path, Duration pause) {
  std::unique_ptr<ApiKeys> keys(new ApiKeys(path, pause));
  TRIPTYCH_ASSIGN_OR_RETURN(std::vector<ApiKey> read, keys->Read());
  keys->keys_ = std::make_shared<const std::vector<ApiKey>>(std::move(read));
  return keys;
}

StatusOr<std::vector<ApiKey>> ApiKeys::Read() const {
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path_));
  auto keys = ParseApiKeys(text);
  if (!keys.ok()) return WithContext(path_, keys.status());
  return keys;
}

std::shared_ptr<const std::vector<ApiKey>> ApiKeys::Current() {
  std::lock_guard lock(mutex_);
  if (!watched_.Changed(std::chrono::steady_clock::now())) return keys_;
  auto read = Read();
  if (read.ok()) {
    keys_ = std::make_shared<const std::vector<ApiKey>>(*std::move(read));
    spdlog::info("{} is read anew: {} keys", path_, keys_->size());
  } else {
    spdlog::error("the former API keys stay: {}", Message(read.status()));
  }
  return keys_;
}

StatusOr<std::string> ApiKeys::TenantOf(std::string_view authorization) {
  const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
  if (!std::ranges::equal(authorization.substr(0, kScheme.size()), kScheme, same))
    return WithReason(Status(StatusCode::kUnauthenticated, "no API key was given: send 'Authorization: Bearer KEY'"), "NO_API_KEY");
  const Sha256Digest digest = DigestOf(Trim(authorization.substr(kScheme.size())));
  const auto keys = Current();
  const ApiKey* found = nullptr;
  for (const ApiKey& key : *keys) {
    if (CRYPTO_memcmp(key.digest.data(), digest.data(), digest.size()) == 0) found = &key;
  }
  if (found == nullptr)
    return WithReason(Status(StatusCode::kUnauthenticated, "the API key is not one of those that are valid here"), "INVALID_API_KEY");
  return TenantOfName(found->name);
}

}  // namespace triptych::router
