#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "common/config/endpoint.h"
#include "common/limits.h"
#include "common/status.h"
#include "common/tls/tls_files.h"

namespace triptych::router {

struct ModelEntry {
  std::string name;  // as clients name it; empty: the folder's name
  std::string path;  // folder with config.json and the tokenizer; the weights are not read
};

// A picture library that articles are illustrated from: a folder, made by `triptych library add`,
// or the address of a retrieval service.
struct LibraryEntry {
  std::string name;  // as clients name it; empty: the folder's name
  std::string path;
  std::string url;
};

struct RouterConfig {
  Endpoint listen{"127.0.0.1", 7071};
  Endpoint http_listen{"127.0.0.1", 8080};
  Endpoint metrics_listen{"127.0.0.1", 9071};
  TlsFiles public_tls;  // of `listen` and `http_listen`
  TlsFiles tls;         // of all internal connections
  std::string api_keys;  // a file with those that clients need; empty: none (api_keys.h)
  Endpoint coordinator{"127.0.0.1", 7070};
  std::vector<ModelEntry> models;             // the first is the default
  std::string policy = "prefix_affinity";     // which decoder: prefix_affinity, least_loaded, round_robin
  int32_t max_requests = 4096;                // open at once; more is RESOURCE_EXHAUSTED
  int32_t http_connections = 1024;            // open at once; more are answered with 503
  int64_t image_store_bytes = 256ll << 20;    // pictures that clients may name by digest
  std::chrono::milliseconds worker_wait{30'000};   // for a worker that can take a request, when none can
  std::chrono::milliseconds drain_deadline{30'000};
  std::vector<LibraryEntry> libraries;     // the first is the default
  std::vector<std::string> library_hosts;  // where services' pictures may be fetched from, besides
                                           // the services' own hosts
  std::chrono::milliseconds library_patience{
      20'000};  // for one search of a service, its pictures included
  // Where pictures that clients name by URL are fetched from, by https. None: such URLs are refused.
  std::vector<std::string> image_hosts;
  bool image_private_addresses = false;  // also where these hosts are not in the public internet
  std::chrono::milliseconds image_patience{10'000};  // for all pictures of a request
  RequestLimits limits;
  std::string log_format = "text";            // text, json
};

Status ReadRouterConfig(const std::string& path, RouterConfig& config);
Status FinishRouterConfig(RouterConfig& config);
std::string PrintRouterConfig(const RouterConfig& config);

}  // namespace triptych::router
