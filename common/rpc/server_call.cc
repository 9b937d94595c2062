#include "common/rpc/server_call.h"

#include "common/log/log.h"

namespace triptych {
namespace {

std::string Header(const grpc::CallbackServerContext& context, const char* name) {
  const auto found = context.client_metadata().find(name);
  return found == context.client_metadata().end() ? "" : std::string(found->second.data(), found->second.size());
}

}  // namespace

CallInfo CallInfo::Of(const grpc::CallbackServerContext& context) {
  CallInfo info;
  info.peer = context.peer();
  // gRPC gives wall-clock time; what is left of it is what counts. Without a deadline it is far in the future.
  const auto left = context.deadline() - std::chrono::system_clock::now();
  if (left < std::chrono::hours(24 * 365)) info.deadline = std::chrono::steady_clock::now() + left;
  info.trace_parent = Header(context, "traceparent");
  info.credentials = Header(context, "authorization");
  return info;
}

namespace internal {

Status HandlerThrew(const std::exception& exception) {
  spdlog::error("a handler threw: {}", exception.what());
  return Internal("internal error");
}

}  // namespace internal
}  // namespace triptych
