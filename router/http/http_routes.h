#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "router/http/http_exchange.h"

namespace triptych::router {

struct HttpRoute {
  std::string path;      // with a slash at its end: and all paths behind it
  bool takes_json;       // POST with a JSON body; else GET and HEAD
  std::string endpoint;  // its name in metrics
  HttpHandler handler;
  bool open = false;  // to everybody: without an API key, where others need one
};

class HttpRoutes {
 public:
  void Add(HttpRoute route) { routes_.push_back(std::move(route)); }
  // The one of exactly this path, else that of the longest folder that it lies in; or null.
  const HttpRoute* Find(std::string_view path) const {
    const HttpRoute* found = nullptr;
    for (const HttpRoute& route : routes_) {
      if (route.path == path) return &route;
      const bool folder = route.path.size() > 1 && route.path.ends_with('/');
      if (folder && path.starts_with(route.path) &&
          (found == nullptr || route.path.size() > found->path.size()))
        found = &route;
    }
    return found;
  }

  const std::vector<HttpRoute>& all() const { return routes_; }

 private:
  std::vector<HttpRoute> routes_;
};

}  // namespace triptych::router
