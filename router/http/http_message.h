#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace triptych::router {

// A request as its route sees it.
struct HttpRequest {
  std::string method;
  std::string path;  // without the query, percent signs resolved
  std::string rest;  // of the path, behind the route's own
  std::string peer;  // host:port
  std::string tenant;  // whose request it is; of an open route nobody's
  // The first of each name, which is in small letters.
  std::map<std::string, std::string, std::less<>> headers;
  std::string body;  // of the exchange: see TakeBody

  std::string_view Header(std::string_view name) const {  // in small letters; empty: none
    const auto found = headers.find(name);
    return found == headers.end() ? std::string_view() : found->second;
  }
};

struct HttpReply {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // besides
};

}  // namespace triptych::router
