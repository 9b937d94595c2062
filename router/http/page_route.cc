#include "router/http/page_route.h"

#include <string>

namespace triptych::router {
namespace {

constexpr char kPolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

}  // namespace

HttpReply PageReply(const EmbeddedFile& file, const HttpRequest& request) {
  HttpReply reply{.content_type = std::string(file.content_type),
                  .headers = {{"ETag", std::string(file.etag)},
                              {"Cache-Control", "no-cache"},
                              {"Content-Security-Policy", kPolicy},
                              {"Referrer-Policy", "no-referrer"},
                              {"Cross-Origin-Resource-Policy", "same-origin"}}};
  const std::string_view known = request.Header("if-none-match");
  if (known == "*" || known.find(file.etag) != known.npos) {
    reply.status = 304;
  } else {
    reply.body = std::string(file.bytes);
  }
  return reply;
}

void AddPageRoutes(HttpServer& server, std::span<const EmbeddedFile> files) {
  for (const EmbeddedFile& file : files) {
    const auto add = [&](std::string path) {
      server.AddReadable(std::move(path), "page", [file = &file](const HttpRequest& request) {
        return PageReply(*file, request);
      }, /*open=*/true);
    };
    add("/" + std::string(file.name));
    if (file.name == "index.html") add("/");
  }
}

}  // namespace triptych::router
