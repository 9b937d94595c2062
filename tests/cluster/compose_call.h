#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "common/status.h"
#include "triptych/v1/inference.grpc.pb.h"

namespace triptych::cluster_test {

// What a client has heard of a Compose call.
struct HeardArticle {
  Status status = OkStatus();
  std::optional<v1::Started> started;
  std::string text;
  std::vector<v1::Placement> placements;
  std::vector<v1::Illustration> illustrations;
  std::string page;
  std::map<std::string, std::string> pictures;  // files by digest
  std::optional<v1::ComposedArticle> finished;

  bool complete() const { return status.ok() && started && finished; }
  std::string why() const;  // it is not complete
};

// A Compose call that is read by a thread of its own. Checks the order of its events: started
// first, each illustration after its placement, finished last.
class ComposeCall {
 public:
  ComposeCall(std::shared_ptr<grpc::Channel> channel,
              const v1::ComposeRequest& request,
              std::chrono::milliseconds limit);
  ~ComposeCall();

  void AwaitText(size_t bytes);
  void Cancel() { context_.TryCancel(); }
  const HeardArticle& Finish();  // waits for the end

 private:
  void Read();
  void Take(const v1::ComposeEvent& event);

  const std::unique_ptr<v1::Inference::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::ComposeEvent>> reader_;
  std::mutex mutex_;
  std::condition_variable changed_;
  HeardArticle heard_;  // guarded by mutex_ until over
  bool over_ = false;   // guarded by mutex_
  std::thread thread_;
};

}  // namespace triptych::cluster_test
