#include "cli/client.h"

#include <cstdio>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

#include "cli/continuation.h"
#include "common/limits.h"
#include "common/rpc/grpc_status.h"

namespace triptych::cli {
namespace {

constexpr std::string_view kImagePlace = "<ImageHere>";

// Of calls after which nothing has come, one after the other, with pauses that double from the first: some 6 s.
constexpr int kMaxCallsInVain = 7;
constexpr std::chrono::milliseconds kFirstPause{50};

std::chrono::system_clock::time_point DeadlineIn(double seconds) {
  if (seconds <= 0) return std::chrono::system_clock::time_point::max();
  return std::chrono::system_clock::now() + std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
}

}  // namespace

std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address, const Access& access) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxGrpcMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxGrpcMessageBytes);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // each channel connects anew
  if (!access.name.empty()) arguments.SetSslTargetNameOverride(access.name);
  return grpc::CreateCustomChannel(address, access.credentials, arguments);
}

Client::Client(std::string router, Access access) : router_(std::move(router)), access_(std::move(access)) { Connect(); }

void Client::Connect() {
  const std::shared_ptr<grpc::Channel> channel = OpenChannel(router_, access_);
  stub_ = v1::Inference::NewStub(channel);
  vectors_stub_ = v1::TextVectors::NewStub(channel);
}

void Client::Identify(grpc::ClientContext& context) const {
  if (!access_.api_key.empty()) context.AddMetadata("authorization", "Bearer " + access_.api_key);
}

Status Client::Generate(const v1::GenerateRequest& request, double timeout_seconds, const std::function<void(const v1::GenerateEvent&)>& on_event) {
  const Deadline deadline = DeadlineIn(timeout_seconds);
  Continuation continuation(request);
  int calls_in_vain = 0;
  while (true) {
    const Status status = GenerateOnce(continuation.Request(), deadline, [&](const v1::GenerateEvent& event) {
      if (!continuation.Note(event)) return;
      calls_in_vain = 0;
      on_event(event);
    });
    if (!continuation.MayGoOn(status) || ++calls_in_vain > kMaxCallsInVain) return status;
    fmt::print(stderr, "the router is gone ({}): going on at another\n", Message(status));
    std::this_thread::sleep_for(kFirstPause * (1 << (calls_in_vain - 1)));
    Connect();  // the address may name another router by now
  }
}

Status Client::GenerateOnce(const v1::GenerateRequest& request, Deadline deadline, const std::function<void(const v1::GenerateEvent&)>& on_event) {
  grpc::ClientContext context;
  Identify(context);
  context.set_deadline(deadline);
  const auto reader = stub_->Generate(&context, request);
  v1::GenerateEvent event;
  while (reader->Read(&event)) on_event(event);
  return FromGrpc(reader->Finish());
}

Status Client::Compose(const v1::ComposeRequest& request,
                       double timeout_seconds,
                       const std::function<void(const v1::ComposeEvent&)>& on_event) {
  grpc::ClientContext context;
  Identify(context);
  context.set_deadline(DeadlineIn(timeout_seconds));
  const auto reader = stub_->Compose(&context, request);
  v1::ComposeEvent event;
  while (reader->Read(&event)) on_event(event);
  return FromGrpc(reader->Finish());
}

StatusOr<v1::ListModelsResponse> Client::ListModels() {
  grpc::ClientContext context;
  Identify(context);
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  v1::ListModelsResponse response;
  TRIPTYCH_RETURN_IF_ERROR(FromGrpc(stub_->ListModels(&context, {}, &response)));
  return response;
}

StatusOr<v1::EmbedResponse> Client::Embed(const v1::EmbedRequest& request) {
  grpc::ClientContext context;
  Identify(context);
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  v1::EmbedResponse response;
  TRIPTYCH_RETURN_IF_ERROR(FromGrpc(vectors_stub_->Embed(&context, request, &response)));
  return response;
}

StatusOr<v1::Image> ReadImageFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return InvalidArgument("{}: cannot read the file", path);
  v1::Image image;
  image.set_data(
      std::string((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>()));
  return image;
}

StatusOr<std::vector<v1::Part>> MakeParts(const std::string& text, const std::vector<std::string>& image_files, uint32_t max_tiles) {
  std::vector<std::string> pieces;
  size_t begin = 0;
  for (size_t at = text.find(kImagePlace); at != std::string::npos; at = text.find(kImagePlace, begin)) {
    pieces.push_back(text.substr(begin, at - begin));
    begin = at + kImagePlace.size();
  }
  pieces.push_back(text.substr(begin));
  const size_t places = pieces.size() - 1;
  if (places > image_files.size()) return InvalidArgument("the text has {} places for pictures, there are {}", places, image_files.size());
  std::vector<v1::Part> parts;
  size_t next = 0;
  const auto add_image = [&]() -> Status {
    TRIPTYCH_ASSIGN_OR_RETURN(v1::Image image, ReadImageFile(image_files[next++]));
    image.set_max_tiles(max_tiles);
    *parts.emplace_back().mutable_image() = std::move(image);
    return OkStatus();
  };
  while (next + places < image_files.size()) TRIPTYCH_RETURN_IF_ERROR(add_image());
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (i > 0) TRIPTYCH_RETURN_IF_ERROR(add_image());
    if (pieces[i].empty()) continue;
    parts.emplace_back().set_text(pieces[i]);
  }
  return parts;
}

int Report(const char* command, const Status& status) {
  if (status.ok()) return 0;
  fmt::print(stderr, "triptych {}: {}: {}\n", command, absl::StatusCodeToString(status.code()), Message(status));
  return 1;
}

}  // namespace triptych::cli
