// The same picture is encoded once, and caches that have forgotten it are believed when they say so.
#include "common/status_reason.h"
#include "tests/cluster/cluster_test.h"
#include "tests/fakes/http_stand_in.h"

namespace triptych::cluster_test {
namespace {

class PictureTest : public ClusterTest {
 protected:
  // Of its only picture, as routers and workers name it.
  std::string KeyBytes(const v1::GenerateRequest& request) const {
    const EmbeddingKey key = cluster_.KeyOf(request.prompt().raw().parts(1).image());
    return {key.digest.begin(), key.digest.end()};
  }
};

TEST_F(PictureTest, APictureInFlightIsEncodedOnceForAllWhoWantIt) {
  for (const char* id : {"d0", "d1"}) cluster_.AddDecoder(id);
  LocalEncoder& a = cluster_.AddEncoder("e0");
  LocalEncoder& b = cluster_.AddEncoder("e1");
  a.Hold();
  b.Hold();
  std::vector<v1::GenerateRequest> requests;
  std::vector<std::unique_ptr<GenerateCall>> calls;
  for (int i = 0; i < 6; ++i) {
    requests.push_back(LocalCluster::MakeRequest("Question " + std::to_string(i), 20, {4}));
    calls.push_back(cluster_.Start(requests.back()));
  }
  AwaitTrue("all have asked", [&] { return a.counters().submitted + b.counters().submitted == calls.size(); });
  a.Release();
  b.Release();
  for (size_t i = 0; i < calls.size(); ++i) {
    const Heard& heard = calls[i]->Finish();
    ASSERT_TRUE(heard.complete()) << heard.why();
    EXPECT_EQ(heard.ids.at(0), cluster_.AnswerTo(requests[i]));
  }
  EXPECT_EQ(a.CountersAtRest().encoded + b.CountersAtRest().encoded, 1u);
  EXPECT_EQ(a.CountersAtRest().tiles + b.CountersAtRest().tiles, 2u);
}

TEST(PictureByUrlTest, IsThePictureBehindIt) {
  LocalCluster cluster({.fetches_pictures = true});
  cluster.AddDecoder("d0");
  LocalEncoder& encoder = cluster.AddEncoder("e0");
  const v1::GenerateRequest inlined = LocalCluster::MakeRequest("What is this: ", 10, {2});
  fakes::HttpStandIn server;
  server.Answer("/2.png", {.body = inlined.prompt().raw().parts(1).image().data()});
  v1::GenerateRequest request = inlined;
  v1::Image* image = request.mutable_prompt()->mutable_raw()->mutable_parts(1)->mutable_image();
  image->set_url(server.url() + "/2.png");
  const Heard heard = cluster.Generate(request);
  ASSERT_TRUE(heard.complete()) << heard.why();
  EXPECT_EQ(heard.ids.at(0), cluster.AnswerTo(inlined));
  EXPECT_EQ(encoder.CountersAtRest().encoded, 1u);
  image->set_url(server.url() + "/another.png");
  const Heard refused = cluster.Generate(request);
  EXPECT_EQ(ReasonOf(refused.status), "URL_FETCH");
  EXPECT_EQ(FieldOf(refused.status), "prompt.images[0]");
  cluster.ExpectNothingLeft();
}

TEST_F(PictureTest, APictureThatTheDecoderHasIsAskedOfNobody) {
  LocalDecoder& decoder = cluster_.AddDecoder("d0");
  LocalEncoder& encoder = cluster_.AddEncoder("e0");
  const v1::GenerateRequest request = LocalCluster::MakeRequest("What is this: ", 10, {2});
  ASSERT_TRUE(cluster_.Generate(request).complete());
  AwaitTrue("the router hears of it", [&] { return cluster_.HandleOf(decoder.shell())->HasEmbedding(KeyBytes(request)); });
  const Heard heard = cluster_.Generate(request);
  ASSERT_TRUE(heard.complete()) << heard.why();
  EXPECT_EQ(heard.ids.at(0), cluster_.AnswerTo(request));
  EXPECT_EQ(encoder.counters().submitted, 1u);
  EXPECT_EQ(cluster_.Metric("triptych_router_images_total{source=\"decoder_cache\"}"), 1);
}

TEST_F(PictureTest, ADecoderThatHasForgottenAPictureSaysSoAndGetsIt) {
  LocalDecoder& decoder = cluster_.AddDecoder("d0");
  LocalEncoder& encoder = cluster_.AddEncoder("e0");
  const v1::GenerateRequest request = LocalCluster::MakeRequest("What is this: ", 10, {2});
  cluster_.HandleOf(decoder.shell())->RememberEmbedding(KeyBytes(request));
  const Heard heard = cluster_.Generate(request);
  ASSERT_TRUE(heard.complete()) << heard.why();
  EXPECT_EQ(heard.ids.at(0), cluster_.AnswerTo(request));
  EXPECT_EQ(encoder.CountersAtRest().encoded, 1u);
}

// The encoder is well and at work, yet the decoder could not reach it: it is told once more.
TEST_F(PictureTest, ADecoderThatDoesNotReachAnEncoderTriesAgainWhenThePictureIsThere) {
  LocalDecoder& decoder = cluster_.AddDecoder("d0");
  LocalEncoder& encoder = cluster_.AddEncoder("e0");
  encoder.Hold();
  decoder.FailNextFetch();
  const v1::GenerateRequest request = LocalCluster::MakeRequest("What is this: ", 10, {2});
  const auto call = cluster_.Start(request);
  AwaitTrue("the picture is at the tower, its fetch has failed", [&] { return encoder.busy() && !decoder.next_fetch_fails(); });
  ASSERT_TRUE(cluster_.Generate(LocalCluster::MakeRequest("meanwhile", 20)).complete());  // the router has long heard of it
  encoder.Release();
  const Heard& heard = call->Finish();
  ASSERT_TRUE(heard.complete()) << heard.why();
  EXPECT_EQ(heard.ids.at(0), cluster_.AnswerTo(request));
}

TEST_F(PictureTest, AnEncoderThatHasForgottenAPictureSaysSoAndGetsItsBytes) {
  cluster_.AddDecoder("d0");
  LocalEncoder& encoder = cluster_.AddEncoder("e0");
  const v1::GenerateRequest request = LocalCluster::MakeRequest("What is this: ", 10, {2});
  cluster_.HandleOf(encoder.shell())->RememberEmbedding(KeyBytes(request));
  const Heard heard = cluster_.Generate(request);
  ASSERT_TRUE(heard.complete()) << heard.why();
  EXPECT_EQ(heard.ids.at(0), cluster_.AnswerTo(request));
  EXPECT_EQ(encoder.CountersAtRest().refused, 1u);
  EXPECT_EQ(encoder.CountersAtRest().encoded, 1u);
}

}  // namespace
}  // namespace triptych::cluster_test
