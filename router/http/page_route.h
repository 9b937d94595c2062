#pragma once

#include <span>

#include "router/http/embedded_file.h"
#include "router/http/http_exchange.h"
#include "router/http/http_server.h"

namespace triptych::router {

HttpReply PageReply(const EmbeddedFile& file, const HttpRequest& request);

// Each file by its name; index.html also as /. Open: what the page asks for needs a key, the page
// does not. The files outlive the server.
void AddPageRoutes(HttpServer& server, std::span<const EmbeddedFile> files);

}  // namespace triptych::router
