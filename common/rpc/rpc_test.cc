// The client's and the server's side of calls against each other, over real gRPC on a free port.
#include <atomic>
#include <future>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "common/async/rpc_call.h"
#include "common/limits.h"
#include "common/rpc/channel_pool.h"
#include "common/rpc/outgoing_queue.h"
#include "common/rpc/server.h"
#include "common/rpc/server_call.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "triptych/internal/v1/cluster.grpc.pb.h"
#include "triptych/internal/v1/decoder.grpc.pb.h"
#include "triptych/internal/v1/encoder.grpc.pb.h"

namespace triptych {
namespace {

namespace pb = triptych::internal::v1;
using DecodeStream = ServerStream<pb::DecodeRequest, pb::DecodeEvent>;

// Echoes: each request's sequence number comes back as a token event. Commands by number end the call in their own way.
class EchoDecoder final : public pb::Decoder::CallbackService {
 public:
  explicit EchoDecoder(IoRuntime* runtime) : runtime_(*runtime) {}
  std::atomic<int> cancelled{0};
  std::atomic<int> live{0};

  grpc::ServerBidiReactor<pb::DecodeRequest, pb::DecodeEvent>* Decode(grpc::CallbackServerContext* context) override {
    return ServeBidi<pb::DecodeRequest, pb::DecodeEvent>(runtime_, context,
                                                         [this](std::shared_ptr<DecodeStream> stream) { return Run(this, stream); });
  }

 private:
  static Task<Status> Run(EchoDecoder* self, std::shared_ptr<DecodeStream> stream) {
    ++self->live;
    stream->OnCancel([self] { ++self->cancelled; });
    Status status = co_await Echo(stream);
    --self->live;
    co_return status;
  }
  static Task<Status> Echo(std::shared_ptr<DecodeStream> stream) {
    while (true) {
      std::optional<pb::DecodeRequest> request = co_await stream->Read();
      if (!request) co_return OkStatus();
      const uint32_t number = request->stop_sequence().sequence();
      if (number == 1000) co_return WithReason(NotFound("no such thing"), "TEST_REASON", "field");
      if (number == 1001) throw std::runtime_error("secret detail");
      pb::DecodeEvent event;
      event.mutable_tokens()->set_sequence(number);
      event.mutable_tokens()->add_ids(stream->info().deadline == TimePoint::max() ? 0 : 1);
      const bool written = co_await stream->Write(std::move(event));
      if (!written) co_return Cancelled("gone");
    }
  }
  IoRuntime& runtime_;
};

// Streams chunks until nobody reads, through an OutgoingQueue.
class FloodEncoder final : public pb::Encoder::CallbackService {
 public:
  FloodEncoder(IoRuntime* runtime, Duration grace) : runtime_(*runtime), grace_(grace) {}
  std::atomic<int64_t> most_unsent{0};
  std::promise<Status> ended;

  grpc::ServerWriteReactor<pb::EmbeddingChunk>* FetchEmbedding(grpc::CallbackServerContext* context,
                                                               const pb::FetchEmbeddingRequest* request) override {
    return ServeWriter<pb::FetchEmbeddingRequest, pb::EmbeddingChunk>(
        runtime_, context, request,
        [this](auto stream, pb::FetchEmbeddingRequest request) { return Flood(this, stream, std::move(request)); });
  }

 private:
  static Task<Status> Flood(FloodEncoder* self,
                            std::shared_ptr<ServerStream<pb::FetchEmbeddingRequest, pb::EmbeddingChunk>> stream,
                            pb::FetchEmbeddingRequest request) {
    OutgoingQueue<pb::FetchEmbeddingRequest, pb::EmbeddingChunk> queue(stream, 100'000, self->grace_);
    Status status = OkStatus();
    for (uint32_t row = 0; status.ok() && row < request.first_row(); ++row) {
      pb::EmbeddingChunk chunk;
      chunk.set_first_row(row);
      chunk.set_data(std::string(50'000, 'x'));
      status = queue.Push(std::move(chunk));
      self->most_unsent = std::max<int64_t>(self->most_unsent, queue.unsent_bytes());
      if (request.wait_ms() == 1) {
        const bool open = co_await queue.WaitBelow(100'000);
        if (!open) status = Cancelled("gone");
      }
    }
    if (status.ok()) co_await queue.Flush();
    self->ended.set_value(status);
    co_return status;
  }
  IoRuntime& runtime_;
  const Duration grace_;
};

class UnaryCluster final : public pb::Cluster::CallbackService {
 public:
  explicit UnaryCluster(IoRuntime* runtime) : runtime_(*runtime) {}
  grpc::ServerUnaryReactor* GetValue(grpc::CallbackServerContext* context,
                                     const pb::GetValueRequest* request,
                                     pb::GetValueResponse* response) override {
    return ServeUnary<pb::GetValueRequest, pb::GetValueResponse>(
        runtime_, context, request, response,
        [](CallInfo info, pb::GetValueRequest request) { return Get(std::move(info), std::move(request)); });
  }

 private:
  static Task<StatusOr<pb::GetValueResponse>> Get(CallInfo info, pb::GetValueRequest request) {
    if (request.key() == "slow") co_await SleepUntil(info.deadline + std::chrono::seconds(1));  // never before the client's own timer
    if (request.key() == "missing") co_return NotFound("no value under '{}'", request.key());
    pb::GetValueResponse response;
    response.set_value(info.trace_parent + info.credentials);
    co_return response;
  }
  IoRuntime& runtime_;
};

class RpcTest : public testing::Test {
 protected:
  void SetUp() override {
    server_.AddService(&decoder_);
    server_.AddService(&cluster_);
    server_.AddService(&encoder_);
    ASSERT_TRUE(server_.Start().ok());
    address_ = "127.0.0.1:" + std::to_string(server_.port());
    channel_ = pool_.Get(address_, ChannelPool::Purpose::kControl);
  }
  void TearDown() override { server_.Stop(std::chrono::milliseconds(0)); }

  StatusOr<pb::GetValueResponse> Get(std::string key, CallOptions options) {
    auto stub = std::shared_ptr(pb::Cluster::NewStub(channel_));
    pb::GetValueRequest request;
    request.set_key(std::move(key));
    auto call = CallUnary<pb::GetValueResponse>(std::move(options), std::move(request),
                                                [stub](auto* context, auto* request, auto* response, auto done) {
                                                  stub->async()->GetValue(context, request, response, std::move(done));
                                                });
    return asio::co_spawn(runtime_.MakeStrand(), std::move(call), asio::use_future).get();
  }

  template <typename T>
  T Run(Task<T> task) {
    return asio::co_spawn(runtime_.MakeStrand(), std::move(task), asio::use_future).get();
  }

  using Client = ClientStream<pb::DecodeRequest, pb::DecodeEvent>;
  std::shared_ptr<Client> Open(TimePoint deadline) {
    auto stub = std::shared_ptr(pb::Decoder::NewStub(channel_));
    return Client::Start({deadline}, [stub](auto* context, auto* reactor) { stub->async()->Decode(context, reactor); });
  }
  static TimePoint In(std::chrono::milliseconds time) { return std::chrono::steady_clock::now() + time; }
  static pb::DecodeRequest Number(uint32_t number) {
    pb::DecodeRequest request;
    request.mutable_stop_sequence()->set_sequence(number);
    return request;
  }

  IoRuntime runtime_{3};
  EchoDecoder decoder_{&runtime_};
  UnaryCluster cluster_{&runtime_};
  FloodEncoder encoder_{&runtime_, std::chrono::milliseconds(50)};
  RpcServer server_{{.listen = Endpoint{}, .max_message_bytes = kMaxGrpcMessageBytes, .max_streams_per_connection = 1000}};
  ChannelPool pool_;
  std::string address_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(RpcTest, UnaryCallsCarryMetadataAndErrors) {
  const auto reply = Get("key", {In(std::chrono::seconds(20)), {{"traceparent", "00-ab"}, {"authorization", "Bearer k"}}});
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->value(), "00-abBearer k");
  EXPECT_EQ(Get("missing", {In(std::chrono::seconds(20))}).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(Get("slow", {In(std::chrono::milliseconds(30))}).status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(Get("key", {CallOptions::kForever}).ok());
}

TEST_F(RpcTest, ADeadPeerIsUnavailable) {
  server_.Stop(std::chrono::milliseconds(0));
  EXPECT_EQ(Get("key", {In(std::chrono::seconds(20))}).status().code(), StatusCode::kUnavailable);
}

Task<std::pair<int, Status>> PingPong(std::shared_ptr<ClientStream<pb::DecodeRequest, pb::DecodeEvent>> stream, int rounds, uint32_t last) {
  int echoes = 0;
  for (int i = 0; i < rounds; ++i) {
    pb::DecodeRequest request;
    request.mutable_stop_sequence()->set_sequence(i == rounds - 1 && last != 0 ? last : i);
    const bool written = co_await stream->Write(std::move(request));
    if (!written) break;
    std::optional<pb::DecodeEvent> event = co_await stream->Read();
    if (!event) break;
    echoes += event->tokens().sequence() == static_cast<uint32_t>(i);
  }
  stream->Cancel();
  Status status = co_await stream->Finish();
  co_return std::make_pair(echoes, status);
}

TEST_F(RpcTest, ManyStreamsEchoAtTheSameTime) {
  std::vector<std::future<std::pair<int, Status>>> all;
  for (int i = 0; i < 64; ++i) {
    all.push_back(asio::co_spawn(runtime_.MakeStrand(), PingPong(Open(In(std::chrono::seconds(60))), 50, 0), asio::use_future));
  }
  for (auto& one : all) EXPECT_EQ(one.get().first, 50);
  while (decoder_.live > 0) std::this_thread::yield();
}

TEST_F(RpcTest, AHandlersErrorReachesTheClientWithItsReason) {
  const auto [echoes, status] = Run(PingPong(Open(In(std::chrono::seconds(20))), 3, 1000));
  EXPECT_EQ(echoes, 2);
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_EQ(ReasonOf(status), "TEST_REASON");
}

TEST_F(RpcTest, AHandlersExceptionIsInternalForThisCallAlone) {
  const auto [echoes, status] = Run(PingPong(Open(In(std::chrono::seconds(20))), 1, 1001));
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  EXPECT_THAT(std::string(Message(status)), testing::Not(testing::HasSubstr("secret")));
  EXPECT_EQ(Run(PingPong(Open(In(std::chrono::seconds(20))), 5, 0)).first, 5);
}

TEST_F(RpcTest, DroppingTheClientsStreamCancelsTheServersSide) {
  {
    auto stream = Open(In(std::chrono::seconds(60)));
    while (decoder_.live == 0) std::this_thread::yield();
  }
  while (decoder_.cancelled == 0 || decoder_.live > 0) std::this_thread::yield();
}

TEST_F(RpcTest, ADeadlineEndsAStreamOnBothSides) {
  auto stream = Open(In(std::chrono::milliseconds(50)));
  auto read = Run(stream->Read());
  EXPECT_FALSE(read.has_value());
  EXPECT_EQ(Run(stream->Finish()).code(), StatusCode::kDeadlineExceeded);
  while (decoder_.live > 0) std::this_thread::yield();
}

TEST_F(RpcTest, TheServersEndBreaksStreamsAtOnce) {
  auto stream = Open(In(std::chrono::seconds(60)));
  ASSERT_TRUE(Run(stream->Write(Number(1))));
  ASSERT_TRUE(Run(stream->Read()).has_value());
  std::thread stop([&] { server_.Stop(std::chrono::milliseconds(0)); });
  EXPECT_FALSE(Run(stream->Read()).has_value());
  EXPECT_FALSE(Run(stream->Write(Number(2))));
  EXPECT_EQ(Run(stream->Finish()).code(), StatusCode::kUnavailable);
  stop.join();
}

std::shared_ptr<ClientReader<pb::EmbeddingChunk>> OpenFlood(std::shared_ptr<grpc::Channel> channel, uint32_t rows, uint32_t paced) {
  auto stub = std::shared_ptr(pb::Encoder::NewStub(channel));
  auto request = std::make_shared<pb::FetchEmbeddingRequest>();
  request->set_first_row(rows);
  request->set_wait_ms(paced);
  return ClientReader<pb::EmbeddingChunk>::Start(
      {std::chrono::steady_clock::now() + std::chrono::seconds(60)},
      [stub, request](auto* context, auto* reactor) { stub->async()->FetchEmbedding(context, request.get(), reactor); });
}

TEST_F(RpcTest, APacedProducerStaysBelowItsBound) {
  auto reader = OpenFlood(channel_, 100, /*paced=*/1);
  for (uint32_t row = 0; row < 100; ++row) {
    const auto chunk = Run(reader->Read());
    ASSERT_TRUE(chunk.has_value());
    ASSERT_EQ(chunk->first_row(), row);
  }
  EXPECT_FALSE(Run(reader->Read()).has_value());
  EXPECT_TRUE(Run(reader->Finish()).ok());
  EXPECT_LE(encoder_.most_unsent, 160'000);
}

TEST_F(RpcTest, AReaderThatNeverReadsIsDroppedAndItsMessagesAreBounded) {
  auto reader = OpenFlood(channel_, 1'000'000, /*paced=*/0);
  const Status status = encoder_.ended.get_future().get();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(status), "SLOW_READER");
  EXPECT_LE(encoder_.most_unsent, 16 * 100'000 + 60'000);
}

TEST_F(RpcTest, APortInUseIsNamed) {
  RpcServer second({.listen = Endpoint{"127.0.0.1", server_.port()}, .max_message_bytes = 1000, .max_streams_per_connection = 10});
  const Status status = second.Start();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(status)), testing::HasSubstr(std::to_string(server_.port())));
}

TEST_F(RpcTest, ChannelsToPeersThatAreGoneLeaveThePool) {
  ASSERT_TRUE(channel_->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(20)));
  const auto held = pool_.Get("127.0.0.1:1", ChannelPool::Purpose::kBulk);
  for (int port = 2; port < 50; ++port) pool_.Get("127.0.0.1:" + std::to_string(port), ChannelPool::Purpose::kControl);
  EXPECT_LE(pool_.size(), 3u);  // the connected one, the one that is held, the latest
  EXPECT_EQ(pool_.Get("127.0.0.1:1", ChannelPool::Purpose::kBulk), held);
  EXPECT_EQ(pool_.Get(address_, ChannelPool::Purpose::kControl), channel_);
}

}  // namespace
}  // namespace triptych
