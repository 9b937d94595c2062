#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/async/task.h"
#include "common/status.h"
#include "router/http/http_message.h"

namespace triptych::router {

// One request and the answer to it, on the strand of its connection. The answer is whole (Reply) or
// a stream of events (SendEvents), never both.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;
  virtual const HttpRequest& request() const = 0;
  virtual std::string TakeBody() = 0;  // once
  virtual const Strand& strand() const = 0;
  virtual void SetHeader(std::string name, std::string value) = 0;  // of whichever answer
  virtual void Reply(HttpReply reply) = 0;  // written once the handler is over
  // Events of text/event-stream, at least one, each one line of data, in one write; with the first,
  // the answer's head is written. Returns once they are written, or false: nobody reads any more.
  virtual Task<bool> SendEvents(std::vector<std::string> events) = 0;
  // Runs on the strand when the client has closed its connection before the handler is over; at
  // once if it has already.
  virtual void OnGone(std::function<void()> hook) = 0;
};

// The last event of a stream that has come to its end.
inline constexpr char kEndOfEvents[] = "[DONE]";

// Answers an exchange. An error becomes the answer, or the last event of one that has begun.
using HttpHandler = std::function<Task<Status>(std::shared_ptr<HttpExchange>)>;

}  // namespace triptych::router
