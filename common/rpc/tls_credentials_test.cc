#include "common/rpc/tls_credentials.h"

#include "common/async/io_runtime.h"
#include "common/limits.h"
#include "common/rpc/channel_pool.h"
#include "common/rpc/grpc_status.h"
#include "common/rpc/server.h"
#include "common/rpc/server_call.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/temporary_folder.h"
#include "tests/fakes/test_certificate.h"
#include "triptych/internal/v1/cluster.grpc.pb.h"

namespace triptych {
namespace {

namespace pb = internal::v1;
using testing::HasSubstr;

// Answers values; a stream stays open until its client goes.
class Values final : public pb::Cluster::CallbackService {
 public:
  explicit Values(IoRuntime* runtime) : runtime_(*runtime) {}
  grpc::ServerUnaryReactor* GetValue(grpc::CallbackServerContext* context,
                                     const pb::GetValueRequest* request,
                                     pb::GetValueResponse* response) override {
    return ServeUnary<pb::GetValueRequest, pb::GetValueResponse>(
        runtime_, context, request, response,
        [](CallInfo, pb::GetValueRequest request) { return Echo(std::move(request)); });
  }
  grpc::ServerBidiReactor<pb::WorkerMessage, pb::WorkerCommand>* Join(grpc::CallbackServerContext* context) override {
    return ServeBidi<pb::WorkerMessage, pb::WorkerCommand>(runtime_, context, EchoAll);
  }

 private:
  static Task<StatusOr<pb::GetValueResponse>> Echo(pb::GetValueRequest request) {
    pb::GetValueResponse response;
    response.set_value(request.key());
    co_return response;
  }
  static Task<Status> EchoAll(std::shared_ptr<ServerStream<pb::WorkerMessage, pb::WorkerCommand>> stream) {
    while (true) {
      std::optional<pb::WorkerMessage> message = co_await stream->Read();
      if (!message) co_return OkStatus();
      const bool written = co_await stream->Write(pb::WorkerCommand());
      if (!written) co_return OkStatus();
    }
  }
  IoRuntime& runtime_;
};

class TlsCredentialsTest : public testing::Test {
 protected:
  // A process whose certificate is good for these names.
  TlsFiles Process(const std::string& who, const fakes::TestCertificate& issued, const std::string& ca) {
    return {folder_.Write(who + ".crt", issued.certificate), folder_.Write(who + ".key", issued.key),
            folder_.Write(who + ".ca", ca)};
  }
  TlsFiles Process(const std::string& who, const std::string& names) {
    return Process(who, authority_.Issue(names), authority_.certificate());
  }
  static InternalTls Open(const TlsFiles& files, std::vector<std::string> clients = {}) {
    return InternalTls::Open(files, std::move(clients)).value();
  }

  void Serve(std::shared_ptr<grpc::ServerCredentials> credentials) {
    server_.emplace(RpcServer::Options{.listen = Endpoint{},
                                       .max_message_bytes = kMaxGrpcMessageBytes,
                                       .max_streams_per_connection = 100,
                                       .credentials = std::move(credentials)});
    server_->AddService(&values_);
    ASSERT_TRUE(server_->Start().ok());
  }
  void TearDown() override {
    if (server_) server_->Stop(std::chrono::milliseconds(0));
  }

  // A call over a connection of its own.
  Status Call(const std::shared_ptr<grpc::ChannelCredentials>& credentials, const char* expected = kWorkerName) {
    const auto stub = pb::Cluster::NewStub(
        ChannelPool(credentials).Get(Endpoint{"127.0.0.1", server_->port()}.ToString(), ChannelPool::Purpose::kControl, expected));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    pb::GetValueRequest request;
    request.set_key("key");
    pb::GetValueResponse response;
    TRIPTYCH_RETURN_IF_ERROR(FromGrpc(stub->GetValue(&context, request, &response)));
    return response.value() == "key" ? OkStatus() : Internal("another value");
  }

  fakes::TemporaryFolder folder_;
  fakes::TestAuthority authority_;
  IoRuntime runtime_{2};
  Values values_{&runtime_};
  std::optional<RpcServer> server_;
};

TEST_F(TlsCredentialsTest, ProcessesOfOneAuthorityReachEachOther) {
  const InternalTls worker = Open(Process("worker", "DNS:triptych-worker"), {kRouterName});
  Serve(worker.server);
  EXPECT_TRUE(Call(Open(Process("router", "DNS:triptych-router")).client).ok());
}

TEST_F(TlsCredentialsTest, WhoeverIsNotOfTheClusterIsNotHeard) {
  Serve(Open(Process("worker", "DNS:triptych-worker"), {kRouterName}).server);
  EXPECT_EQ(Call(nullptr).code(), StatusCode::kUnavailable) << "without TLS";
  grpc::SslCredentialsOptions without_certificate{.pem_root_certs = authority_.certificate()};
  EXPECT_EQ(Call(grpc::SslCredentials(without_certificate)).code(), StatusCode::kUnavailable);
  const fakes::TestAuthority other;
  const auto issued = other.Issue("DNS:triptych-router");
  EXPECT_EQ(Call(Open(Process("stranger", issued, authority_.certificate())).client).code(), StatusCode::kUnavailable);
}

TEST_F(TlsCredentialsTest, ServersTakeTheRolesThatTheyWork) {
  Serve(Open(Process("worker", "DNS:triptych-worker"), {kRouterName, kWorkerName}).server);
  const Status refused = Call(Open(Process("admin", "DNS:triptych-admin")).client);
  EXPECT_EQ(refused.code(), StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(Message(refused)), HasSubstr("triptych-router, triptych-worker"));
  EXPECT_TRUE(Call(Open(Process("all", "DNS:triptych-admin,DNS:triptych-worker")).client).ok()) << "any of its names";
}

TEST_F(TlsCredentialsTest, ClientsExpectTheRoleThatTheyCall) {
  Serve(Open(Process("worker", "DNS:triptych-worker"), {kRouterName}).server);
  const auto router = Open(Process("router", "DNS:triptych-router")).client;
  EXPECT_EQ(Call(router, kCoordinatorName).code(), StatusCode::kUnavailable);
  EXPECT_TRUE(Call(router, kWorkerName).ok());
}

TEST_F(TlsCredentialsTest, OpenStreamsGoOnWhenTheCertificateChanges) {
  const TlsFiles files = Process("worker", "DNS:triptych-worker");
  const auto source = TlsSource::Open("tls", files, /*pause=*/Duration::zero()).value();
  Serve(ServerTls(source, {}));
  const auto router = Open(Process("router", "DNS:triptych-router")).client;
  const auto stub = pb::Cluster::NewStub(
      ChannelPool(router).Get(Endpoint{"127.0.0.1", server_->port()}.ToString(), ChannelPool::Purpose::kControl));
  grpc::ClientContext context;
  const auto stream = stub->Join(&context);
  pb::WorkerCommand command;
  ASSERT_TRUE(stream->Write({}) && stream->Read(&command));
  const fakes::TestAuthority next;
  Process("worker", next.Issue("DNS:triptych-worker"), authority_.certificate());
  EXPECT_EQ(Call(router).code(), StatusCode::kUnavailable) << "of an authority that this client does not know";
  EXPECT_TRUE(stream->Write({}) && stream->Read(&command));
  folder_.Write("worker.crt", "broken");  // the last good one stays
  EXPECT_TRUE(Call(Open(Process("other", authority_.Issue("DNS:triptych-router"), next.certificate())).client).ok());
  EXPECT_TRUE(stream->Write({}) && stream->Read(&command));
  EXPECT_TRUE(stream->WritesDone());
  EXPECT_TRUE(stream->Finish().ok());
}

// The certificates of our own side, too.
TEST_F(TlsCredentialsTest, ClientsFollowTheirFiles) {
  const fakes::TestAuthority next;
  const InternalTls both = Open(Process("worker", next.Issue("DNS:triptych-worker"), next.certificate()));
  Serve(both.server);
  const auto router = Open(Process("router", "DNS:triptych-router")).client;
  EXPECT_EQ(Call(router).code(), StatusCode::kUnavailable);
  Process("router", next.Issue("DNS:triptych-router"), next.certificate());
  const TimePoint end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  Status status = Call(router);
  while (!status.ok() && std::chrono::steady_clock::now() < end) status = Call(router);
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(TlsCredentialsTest, ABadFileIsNamedBehindItsSection) {
  TlsFiles files = Process("worker", "DNS:triptych-worker");
  files.key = folder_.File("absent.key");
  const std::string said(Message(InternalTls::Open(files, {}).status()));
  EXPECT_THAT(said, testing::AllOf(testing::StartsWith("tls: "), HasSubstr("absent.key")));
}

}  // namespace
}  // namespace triptych
