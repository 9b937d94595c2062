#pragma once

#include <functional>
#include <string>

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/server_callback.h>

#include "common/async/io_runtime.h"
#include "common/async/task.h"
#include "common/clock.h"
#include "common/status.h"

namespace triptych {

// What a handler may know of the call it serves, without gRPC's types.
struct CallInfo {
  std::string peer;
  TimePoint deadline = TimePoint::max();
  std::string trace_parent;  // W3C traceparent header, or empty
  std::string credentials;   // the authorization header, or empty
  std::string tenant;        // who the call is for, as its service's gate says: derived from the credentials and from nothing else

  static CallInfo Of(const grpc::CallbackServerContext& context);
};

// Says whether a call is served, before anything of it is looked at, and whose it is (`tenant`). Called on any thread; must not block.
// Empty: all are.
using CallGate = std::function<Status(CallInfo&)>;

// The server's side of a stream, for a handler coroutine that runs on a strand of its own. One Read and one Write outstanding
// at a time. Cancellation (client gone, deadline) makes Read give nothing and Write false, and runs the OnCancel hook once.
template <typename Request, typename Response>
class ServerStream {
 public:
  virtual ~ServerStream() = default;
  virtual const CallInfo& info() const = 0;
  virtual const Strand& strand() const = 0;
  virtual Task<std::optional<Request>> Read() = 0;  // nothing: half-closed, cancelled or over
  virtual Task<bool> Write(Response response) = 0;  // false: nobody reads any more
  virtual bool cancelled() const = 0;               // any thread
  virtual void OnCancel(std::function<void()> hook) = 0;  // runs on the strand; at once if already cancelled
};

}  // namespace triptych
