#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "common/ids.h"
#include "common/status.h"
#include "tests/cluster/streamed_call.h"
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
class GenerateCall final : public StreamedCall<v1::GenerateEvent, Heard> {
 public:
  enum class Reading { kAtOnce, kAtEnd };
  GenerateCall(std::shared_ptr<grpc::Channel> channel, const v1::GenerateRequest& request, std::chrono::milliseconds limit, Reading reading);
  ~GenerateCall();

  void AwaitTokens(size_t tokens);  // of sequence 0; or the end

 private:
  void Take(const v1::GenerateEvent& event) override;
};

}  // namespace triptych::cluster_test
