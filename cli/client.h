#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "cli/access.h"
#include "common/status.h"
#include "triptych/v1/inference.grpc.pb.h"
#include "triptych/v1/text_vectors.grpc.pb.h"

namespace triptych::cli {

// A blocking client of one router, for commands. One thread.
class Client {
 public:
  Client(std::string router, Access access);

  // Calls `on_event` for each event as it comes. `timeout_seconds` 0: none. Where the router goes away under the stream, calls it again, or
  // whichever router is there then, and goes on with the next token.
  Status Generate(const v1::GenerateRequest& request, double timeout_seconds, const std::function<void(const v1::GenerateEvent&)>& on_event);
  Status Compose(const v1::ComposeRequest& request,
                 double timeout_seconds,
                 const std::function<void(const v1::ComposeEvent&)>& on_event);
  StatusOr<v1::ListModelsResponse> ListModels();
  StatusOr<v1::EmbedResponse> Embed(const v1::EmbedRequest& request);

 private:
  using Deadline = std::chrono::system_clock::time_point;
  void Connect();  // by a connection of its own
  Status GenerateOnce(const v1::GenerateRequest& request, Deadline deadline, const std::function<void(const v1::GenerateEvent&)>& on_event);

  void Identify(grpc::ClientContext& context) const;

  const std::string router_;
  const Access access_;
  std::unique_ptr<v1::Inference::Stub> stub_;
  std::unique_ptr<v1::TextVectors::Stub> vectors_stub_;
};

std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address, const Access& access);

// A text and pictures as parts: each "<ImageHere>" in the text is a picture's place; pictures that have none come first.
// kInvalidArgument when there are more places than pictures.
StatusOr<std::vector<v1::Part>> MakeParts(const std::string& text, const std::vector<std::string>& image_files, uint32_t max_tiles);

StatusOr<v1::Image> ReadImageFile(const std::string& path);  // kInvalidArgument names it

// Prints "triptych COMMAND: message" to stderr and gives the exit status.
int Report(const char* command, const Status& status);

}  // namespace triptych::cli
