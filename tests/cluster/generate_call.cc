#include "tests/cluster/generate_call.h"

#include <utility>

#include "common/rpc/grpc_status.h"
#include "fmt/format.h"
#include "tests/cluster/await.h"

namespace triptych::cluster_test {

std::string Heard::why() const {
  return fmt::format("{} ({}) {}, {} sequences finished", absl::StatusCodeToString(status.code()), ReasonOf(status), Message(status), finished.size());
}

GenerateCall::GenerateCall(std::shared_ptr<grpc::Channel> channel,
                           const v1::GenerateRequest& request,
                           std::chrono::milliseconds limit,
                           Reading reading)
    : stub_(v1::Inference::NewStub(std::move(channel))) {
  context_.set_deadline(std::chrono::system_clock::now() + limit);
  for (const v1::Received& received : request.resume()) {
    heard_.ids[received.sequence()].assign(received.token_ids().begin(), received.token_ids().end());
  }
  reader_ = stub_->Generate(&context_, request);
  if (reading == Reading::kAtOnce) thread_ = std::thread([this] { Read(); });
}

GenerateCall::~GenerateCall() {
  Cancel();
  Finish();
}

void GenerateCall::Read() {
  v1::GenerateEvent event;
  while (reader_->Read(&event)) Take(event);
  const Status status = FromGrpc(reader_->Finish());
  std::lock_guard lock(mutex_);
  heard_.status = status;
  over_ = true;
  changed_.notify_all();
}

void GenerateCall::Take(const v1::GenerateEvent& event) {
  std::lock_guard lock(mutex_);
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
  changed_.notify_all();
}

void GenerateCall::AwaitTokens(size_t tokens) {
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return over_ || heard_.ids[0].size() >= tokens; }));
  EXPECT_GE(heard_.ids[0].size(), tokens) << heard_.why();
}

const Heard& GenerateCall::Finish() {
  if (thread_.joinable()) {
    thread_.join();
  } else if (!over_) {
    Read();
  }
  return heard_;
}

}  // namespace triptych::cluster_test
