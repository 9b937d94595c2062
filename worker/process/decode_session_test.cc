// Decode streams over real gRPC, the engine over a fake shard group.
#include "worker/process/decode_session.h"

#include <atomic>
#include <map>

#include <ATen/ops/ones.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "common/async/rpc_call.h"
#include "common/rpc/channel_pool.h"
#include "common/rpc/server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/fake_shard_group.h"
#include "triptych/internal/v1/decoder.grpc.pb.h"

namespace triptych::worker {
namespace {

namespace pb = internal::v1;

class OneService final : public pb::Decoder::CallbackService {
 public:
  OneService(IoRuntime* runtime, const DecodeContext* context) : runtime_(*runtime), context_(context) {}
  grpc::ServerBidiReactor<pb::DecodeRequest, pb::DecodeEvent>* Decode(grpc::CallbackServerContext* context) override {
    return ServeBidi<pb::DecodeRequest, pb::DecodeEvent>(runtime_, context, [this](std::shared_ptr<DecodeSession::Stream> stream) {
      return DecodeSession::Run(std::make_shared<DecodeSession>(std::move(stream), context_, ++ids_));
    });
  }

 private:
  IoRuntime& runtime_;
  const DecodeContext* const context_;
  std::atomic<engine::RequestId> ids_ = 0;
};

// Brings rows from the address "good"; every other one has none.
class FakeFetcher final : public EmbeddingFetcher {
 public:
  explicit FakeFetcher(vision::EmbeddingStore* store) : store_(store) {}
  Task<Status> Fetch(std::string address, EmbeddingKey key, int32_t rows, TimePoint, std::string) override {
    if (address != "good") co_return Unavailable("nobody answers");
    co_return store_->Append(key, 0, at::ones({rows, 4}));
  }

 private:
  vision::EmbeddingStore* const store_;
};

class DecodeSessionTest : public testing::Test {
 protected:
  using Client = ClientStream<pb::DecodeRequest, pb::DecodeEvent>;

  void SetUp() override {
    ASSERT_TRUE(engine_.Start().ok());
    context_.traits.incarnation = 7;
    context_.traits.vocab_size = 50;
    context_.traits.context_tokens = 256;
    context_.engine = &engine_;
    context_.store = &store_;
    context_.fetcher = &fetcher_;
    server_.AddService(&service_);
    ASSERT_TRUE(server_.Start().ok());
    channel_ = pool_.Get("127.0.0.1:" + std::to_string(server_.port()), ChannelPool::Purpose::kControl);
  }
  void TearDown() override {
    server_.Stop(std::chrono::milliseconds(0));
    engine_.Stop();
  }

  std::shared_ptr<Client> Open() {
    auto stub = std::shared_ptr(pb::Decoder::NewStub(channel_));
    return Client::Start({std::chrono::steady_clock::now() + std::chrono::seconds(60)},
                         [stub](auto* context, auto* reactor) { stub->async()->Decode(context, reactor); });
  }
  template <typename T>
  T Run(Task<T> task) {
    return asio::co_spawn(runtime_.MakeStrand(), std::move(task), asio::use_future).get();
  }
  static pb::DecodeRequest Start(int max_new, uint32_t n = 1) {
    pb::DecodeRequest request;
    auto* start = request.mutable_start();
    start->set_incarnation(7);
    for (const int id : {1, 2, 3}) start->add_prompt(id);
    start->mutable_limits()->set_max_new_tokens(max_new);
    start->mutable_sampling()->set_n(n);
    start->mutable_sampling()->set_temperature(n > 1 ? 1 : 0);
    return request;
  }
  // All events to the stream's end.
  struct Heard {
    std::map<uint32_t, std::vector<uint32_t>> ids;
    std::map<uint32_t, v1::FinishReason> reasons;
    std::vector<pb::EmbeddingFailed> failures;
    Status status = OkStatus();
  };
  Heard Listen(const std::shared_ptr<Client>& stream, const std::function<void(const pb::DecodeEvent&)>& on_event = nullptr) {
    Heard heard;
    while (auto event = Run(stream->Read())) {
      if (event->has_tokens()) {
        auto& ids = heard.ids[event->tokens().sequence()];
        EXPECT_EQ(event->tokens().offset(), ids.size());
        ids.insert(ids.end(), event->tokens().ids().begin(), event->tokens().ids().end());
      }
      if (event->has_finished()) heard.reasons[event->finished().sequence()] = event->finished().reason();
      if (event->has_embedding_failed()) heard.failures.push_back(event->embedding_failed());
      if (on_event) on_event(*event);
    }
    heard.status = Run(stream->Finish());
    return heard;
  }
  void AwaitNoneLive() {
    while (engine_.stats().accepted != engine_.stats().completed + engine_.stats().failed + engine_.stats().cancelled ||
           engine_.stats().used_blocks != 0) {
      std::this_thread::yield();
    }
  }

  IoRuntime runtime_{2};
  SteadyClock clock_;
  fakes::FakeShardGroup group_{64, 50};
  vision::EmbeddingStore store_{1 << 20, 4, {.on_rows = [this](const EmbeddingKey& key, int32_t rows) { engine_.OnEmbeddingRows(key, rows); }}};
  engine::EngineLoop engine_{{.num_blocks = 64, .max_step_tokens = 64, .context_tokens = 256}, &group_, &clock_, nullptr};
  FakeFetcher fetcher_{&store_};
  DecodeContext context_;
  OneService service_{&runtime_, &context_};
  RpcServer server_{{.listen = Endpoint{}, .max_message_bytes = kMaxGrpcMessageBytes, .max_streams_per_connection = 100}};
  ChannelPool pool_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(DecodeSessionTest, StreamsTokensOfEverySequenceAndEnds) {
  auto stream = Open();
  ASSERT_TRUE(Run(stream->Write(Start(20, 2))));
  const Heard heard = Listen(stream);
  EXPECT_TRUE(heard.status.ok()) << heard.status;
  EXPECT_EQ(heard.ids.at(0).size(), 20u);
  EXPECT_EQ(heard.ids.at(1).size(), 20u);
  EXPECT_EQ(heard.reasons.at(0), v1::FINISH_REASON_LENGTH);
}

TEST_F(DecodeSessionTest, APictureComesFromTheNextSourceWhenOneFails) {
  auto stream = Open();
  pb::DecodeRequest request = Start(4);
  auto* start = request.mutable_start();
  for (int i = 0; i < 3; ++i) start->add_prompt(-1);
  start->add_prompt(5);
  auto* picture = start->add_pictures();
  picture->set_start(3);
  picture->set_rows(3);
  picture->set_key(std::string(32, 'p'));
  picture->mutable_source()->set_address("bad");
  ASSERT_TRUE(Run(stream->Write(request)));
  const Heard heard = Listen(stream, [&](const pb::DecodeEvent& event) {
    if (!event.has_embedding_failed()) return;
    pb::DecodeRequest source;
    source.mutable_source()->set_address("good");
    EXPECT_TRUE(Run(stream->Write(source)));
  });
  EXPECT_TRUE(heard.status.ok()) << heard.status;
  ASSERT_EQ(heard.failures.size(), 1u);
  EXPECT_EQ(heard.failures[0].code(), static_cast<uint32_t>(StatusCode::kUnavailable));
  EXPECT_EQ(heard.ids.at(0).size(), 4u);
}

TEST_F(DecodeSessionTest, AStoppedSequenceEndsAndTheOthersGoOn) {
  auto stream = Open();
  ASSERT_TRUE(Run(stream->Write(Start(200, 2))));
  bool stopped = false;
  const Heard heard = Listen(stream, [&](const pb::DecodeEvent& event) {
    if (stopped || !event.has_tokens()) return;
    stopped = true;
    pb::DecodeRequest stop;
    stop.mutable_stop_sequence()->set_sequence(0);
    EXPECT_TRUE(Run(stream->Write(stop)));
  });
  EXPECT_TRUE(heard.status.ok());
  EXPECT_EQ(heard.ids.at(1).size(), 200u);
}

TEST_F(DecodeSessionTest, DroppingTheStreamFreesItsBlocks) {
  for (int i = 0; i < 20; ++i) {
    auto stream = Open();
    ASSERT_TRUE(Run(stream->Write(Start(250))));
    ASSERT_TRUE(Run(stream->Read()).has_value());
  }
  AwaitNoneLive();
}

TEST_F(DecodeSessionTest, BadMessagesEndTheirOwnStreamAlone) {
  const auto refused = [&](const pb::DecodeRequest& request) {
    auto stream = Open();
    EXPECT_TRUE(Run(stream->Write(request)));
    return Listen(stream).status.code();
  };
  EXPECT_EQ(refused({}), StatusCode::kInvalidArgument);
  pb::DecodeRequest old = Start(5);
  old.mutable_start()->set_incarnation(6);
  EXPECT_EQ(refused(old), StatusCode::kUnavailable);
  EXPECT_EQ(refused(Start(254)), StatusCode::kInvalidArgument);
  auto stream = Open();
  ASSERT_TRUE(Run(stream->Write(Start(5))));
  EXPECT_TRUE(Listen(stream).status.ok());
}

TEST_F(DecodeSessionTest, AFailedGroupEndsTheStreamAsUnavailable) {
  group_.Hold(true);
  auto stream = Open();
  ASSERT_TRUE(Run(stream->Write(Start(5))));
  while (engine_.stats().accepted == 0) std::this_thread::yield();
  group_.Fail(Unavailable("rank 1 is gone"));
  group_.Hold(false);
  EXPECT_EQ(Listen(stream).status.code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace triptych::worker
