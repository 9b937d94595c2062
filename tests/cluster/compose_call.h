#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "common/status.h"
#include "tests/cluster/streamed_call.h"
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
class ComposeCall final : public StreamedCall<v1::ComposeEvent, HeardArticle> {
 public:
  ComposeCall(std::shared_ptr<grpc::Channel> channel,
              const v1::ComposeRequest& request,
              std::chrono::milliseconds limit);
  ~ComposeCall();

  void AwaitText(size_t bytes);

 private:
  void Take(const v1::ComposeEvent& event) override;
};

}  // namespace triptych::cluster_test
