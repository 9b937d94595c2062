#include "tests/cluster/compose_call.h"

#include <algorithm>
#include <utility>

#include "common/rpc/grpc_status.h"
#include "fmt/format.h"
#include "tests/cluster/await.h"

namespace triptych::cluster_test {

std::string HeardArticle::why() const {
  return fmt::format("{} ({}) {}, {} bytes of text, {} illustrations",
                     absl::StatusCodeToString(status.code()),
                     ReasonOf(status),
                     Message(status),
                     text.size(),
                     illustrations.size());
}

ComposeCall::ComposeCall(std::shared_ptr<grpc::Channel> channel,
                         const v1::ComposeRequest& request,
                         std::chrono::milliseconds limit)
    : stub_(v1::Inference::NewStub(std::move(channel))) {
  context_.set_deadline(std::chrono::system_clock::now() + limit);
  reader_ = stub_->Compose(&context_, request);
  thread_ = std::thread([this] { Read(); });
}

ComposeCall::~ComposeCall() {
  Cancel();
  Finish();
}

void ComposeCall::Read() {
  v1::ComposeEvent event;
  while (reader_->Read(&event)) Take(event);
  const Status status = FromGrpc(reader_->Finish());
  std::lock_guard lock(mutex_);
  heard_.status = status;
  over_ = true;
  changed_.notify_all();
}

void ComposeCall::Take(const v1::ComposeEvent& event) {
  std::lock_guard lock(mutex_);
  EXPECT_FALSE(heard_.finished) << "an event after the end";
  EXPECT_EQ(heard_.started.has_value(), !event.has_started());
  if (event.has_started()) heard_.started = event.started();
  if (event.has_article()) heard_.text += event.article().text();
  if (event.has_placement()) heard_.placements.push_back(event.placement());
  if (event.has_illustration()) {
    const v1::Illustration& illustration = event.illustration();
    const auto same = [&](const v1::Placement& placement) {
      return placement.after_paragraph() == illustration.after_paragraph() &&
             placement.caption() == illustration.caption();
    };
    EXPECT_TRUE(std::ranges::any_of(heard_.placements, same))
        << "an illustration without a placement";
    heard_.illustrations.push_back(illustration);
  }
  if (event.has_page()) heard_.page += event.page().html();
  if (event.has_picture())
    heard_.pictures[event.picture().image_sha256()] += event.picture().data();
  if (event.has_finished()) heard_.finished = event.finished();
  changed_.notify_all();
}

void ComposeCall::AwaitText(size_t bytes) {
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(
      changed_.wait_for(lock, kPatience, [&] { return over_ || heard_.text.size() >= bytes; }));
  EXPECT_GE(heard_.text.size(), bytes) << heard_.why();
}

const HeardArticle& ComposeCall::Finish() {
  if (thread_.joinable()) thread_.join();
  return heard_;
}

}  // namespace triptych::cluster_test
