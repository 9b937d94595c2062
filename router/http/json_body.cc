#include "router/http/json_body.h"

#include <algorithm>
#include <string_view>

#include "common/status_reason.h"

namespace triptych::router {
namespace {

constexpr int kMaxDepth = 32;
constexpr int kMaxValues = 1 << 16;
constexpr size_t kMaxProblemBytes = 200;  // the parser quotes the value that it stumbled over

Status NotJson(std::string_view what) {
  return WithReason(InvalidArgument("the body is not the JSON that is wanted: {}", what), "JSON");
}

// Counts brackets and separators outside of strings. What is no JSON is counted too, somehow.
Status CheckShape(std::string_view text) {
  int depth = 0, values = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    switch (text[i]) {
      case '"':
        for (++i; i < text.size() && text[i] != '"'; ++i) {
          if (text[i] == '\\') ++i;
        }
        break;
      case '{':
      case '[':
        ++depth;
        ++values;
        break;
      case '}':
      case ']':
        --depth;
        break;
      case ',':
        ++values;
        break;
      default:
        continue;
    }
    if (depth > kMaxDepth)
      return NotJson(fmt::format("it is nested more than {} levels deep", kMaxDepth));
    if (values > kMaxValues) return NotJson(fmt::format("it has more than {} values", kMaxValues));
  }
  return OkStatus();
}

// The parser's own words without its name and without what it quotes, which may be of the prompt.
std::string Problem(std::string_view what) {
  if (const size_t name = what.find("] "); name != what.npos) what.remove_prefix(name + 2);
  what = what.substr(0, what.find("; last read"));
  return std::string(what.substr(0, kMaxProblemBytes));
}

}  // namespace

StatusOr<nlohmann::json> ParseJsonBody(std::string body) {
  TRIPTYCH_RETURN_IF_ERROR(CheckShape(body));
  try {
    nlohmann::json value = nlohmann::json::parse(body);
    if (value.is_object()) return value;
    return NotJson("it is no object");
  } catch (const nlohmann::json::exception& error) {
    return NotJson(Problem(error.what()));
  }
}

}  // namespace triptych::router
