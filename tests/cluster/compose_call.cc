#include "tests/cluster/compose_call.h"

#include <algorithm>
#include <utility>

#include "common/status_reason.h"
#include "fmt/format.h"

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
    : StreamedCall(std::move(channel), limit) {
  Begin(stub_->Compose(&context_, request), true);
}

ComposeCall::~ComposeCall() { End(); }

void ComposeCall::Take(const v1::ComposeEvent& event) {
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
}

void ComposeCall::AwaitText(size_t bytes) {
  Await([&] { return heard_.text.size() >= bytes; });
}

}  // namespace triptych::cluster_test
