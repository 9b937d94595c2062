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

#include "common/ids.h"
#include "common/status.h"
#include "triptych/v1/inference.grpc.pb.h"

namespace triptych::cluster_test {

// What a client has heard of a Generate call.
struct Heard {
  Status status = OkStatus();
  std::optional<v1::Started> started;
  std::map<uint32_t, std::vector<TokenId>> ids;  // by sequence
  std::map<uint32_t, std::string> text;
  std::map<uint32_t, v1::Finished> finished;

  bool complete() const { return status.ok() && started && !finished.empty(); }
  std::string why() const;  // it is not complete
};

// A Generate call that is read by a thread of its own, at once or only when its end is waited for. Checks that no token comes twice and
// none is left out; tokens that the request says were received before count as heard.
class GenerateCall {
 public:
  enum class Reading { kAtOnce, kAtEnd };
  GenerateCall(std::shared_ptr<grpc::Channel> channel, const v1::GenerateRequest& request, std::chrono::milliseconds limit, Reading reading);
  ~GenerateCall();

  void AwaitTokens(size_t tokens);  // of sequence 0; or the end
  void Cancel() { context_.TryCancel(); }
  const Heard& Finish();            // waits for the end

 private:
  void Read();
  void Take(const v1::GenerateEvent& event);

  const std::unique_ptr<v1::Inference::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::GenerateEvent>> reader_;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Heard heard_;         // guarded by mutex_ until over
  bool over_ = false;   // guarded by mutex_
};

}  // namespace triptych::cluster_test
