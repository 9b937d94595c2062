#include "tests/cluster/generate_call.h"

#include <utility>

#include "common/status_reason.h"
#include "fmt/format.h"

namespace triptych::cluster_test {

std::string Heard::why() const {
  return fmt::format("{} ({}) {}, {} sequences finished", absl::StatusCodeToString(status.code()), ReasonOf(status), Message(status), finished.size());
}

GenerateCall::GenerateCall(std::shared_ptr<grpc::Channel> channel,
                           const v1::GenerateRequest& request,
                           std::chrono::milliseconds limit,
                           Reading reading)
    : StreamedCall(std::move(channel), limit) {
  for (const v1::Received& received : request.resume()) {
    heard_.ids[received.sequence()].assign(received.token_ids().begin(), received.token_ids().end());
  }
  Begin(stub_->Generate(&context_, request), reading == Reading::kAtOnce);
}

GenerateCall::~GenerateCall() { End(); }

void GenerateCall::Take(const v1::GenerateEvent& event) {
  if (event.has_started()) {
    EXPECT_FALSE(heard_.started) << "started twice";
    heard_.started = event.started();
  } else if (event.has_delta()) {
    const v1::Delta& delta = event.delta();
    EXPECT_TRUE(heard_.started);
    EXPECT_FALSE(heard_.finished.contains(delta.sequence())) << "tokens after the end";
    std::vector<TokenId>& ids = heard_.ids[delta.sequence()];
    EXPECT_EQ(delta.offset(), ids.size());
    ids.insert(ids.end(), delta.token_ids().begin(), delta.token_ids().end());
    heard_.text[delta.sequence()] += delta.text();
  } else if (event.has_finished()) {
    EXPECT_TRUE(heard_.finished.emplace(event.finished().sequence(), event.finished()).second) << "finished twice";
  }
}

void GenerateCall::AwaitTokens(size_t tokens) {
  Await([&] { return heard_.ids[0].size() >= tokens; });
}

}  // namespace triptych::cluster_test
