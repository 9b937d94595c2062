#include "common/rpc/grpc_status.h"

#include <algorithm>
#include <string>

#include "google/rpc/status.pb.h"

namespace triptych {
namespace {

constexpr size_t kMaxMessageBytes = 1024;
constexpr char kDomain[] = "triptych";

// Cut at a whole UTF-8 character; control characters become spaces.
std::string Presentable(std::string_view message) {
  std::string text(message.substr(0, kMaxMessageBytes));
  if (text.size() < message.size()) {
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) text.pop_back();
    if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0xc0) text.pop_back();
  }
  std::replace_if(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return text;
}

}  // namespace

grpc::Status ToGrpc(const Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const auto code = static_cast<grpc::StatusCode>(status.code());
  const std::string message = Presentable(Message(status));
  const std::string reason = ReasonOf(status);
  if (reason.empty()) return grpc::Status(code, message);
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain(kDomain);
  if (const std::string field = FieldOf(status); !field.empty()) (*info.mutable_metadata())["field"] = field;
  google::rpc::Status details;
  details.set_code(static_cast<int>(code));
  details.set_message(message);
  details.add_details()->PackFrom(info);
  return grpc::Status(code, message, details.SerializeAsString());
}

Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return OkStatus();
  Status result(static_cast<StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status details;
  if (status.error_details().empty() || !details.ParseFromString(status.error_details())) return result;
  for (const google::protobuf::Any& detail : details.details()) {
    google::rpc::ErrorInfo info;
    if (!detail.UnpackTo(&info)) continue;
    const auto field = info.metadata().find("field");
    return WithReason(result, info.reason(), field == info.metadata().end() ? "" : field->second);
  }
  return result;
}

}  // namespace triptych
