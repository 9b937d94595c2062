#include "common/status_reason.h"

#include "absl/strings/cord.h"

namespace triptych {
namespace {

constexpr char kPayload[] = "triptych/reason";  // "<reason>\n<field>"

std::string PayloadOf(const Status& status) {
  const auto payload = status.GetPayload(kPayload);
  return payload ? std::string(*payload) : "\n";
}

}  // namespace

Status WithReason(Status status, std::string_view reason, std::string_view field) {
  if (!status.ok()) status.SetPayload(kPayload, absl::Cord(fmt::format("{}\n{}", reason, field)));
  return status;
}

std::string ReasonOf(const Status& status) {
  const std::string payload = PayloadOf(status);
  return payload.substr(0, payload.find('\n'));
}

std::string FieldOf(const Status& status) {
  const std::string payload = PayloadOf(status);
  return payload.substr(payload.find('\n') + 1);
}

}  // namespace triptych
