// Encoders that are lost before or while they encode.
#include "common/status_reason.h"
#include "tests/cluster/cluster_test.h"

namespace triptych::cluster_test {
namespace {

class EncoderLossTest : public ClusterTest {
 protected:
  // The one of two whose tower the picture has come to; both must be held.
  static std::pair<LocalEncoder*, LocalEncoder*> AwaitBusy(LocalEncoder& a, LocalEncoder& b) {
    AwaitTrue("a picture comes to a tower", [&] { return a.busy() || b.busy(); });
    return a.busy() ? std::pair(&a, &b) : std::pair(&b, &a);
  }
};

TEST_F(EncoderLossTest, APictureOfADeadEncoderIsEncodedByAnother) {
  cluster_.AddDecoder("d0");
  LocalEncoder& dead = cluster_.AddEncoder("e0");
  LocalEncoder& other = cluster_.AddEncoder("e1");
  dead.Kill();
  for (uint32_t picture = 0; picture < 8; ++picture) {  // about half of them look for the dead one first
    const v1::GenerateRequest request = LocalCluster::MakeRequest("What is this: ", 10, {picture});
    const Heard heard = cluster_.Generate(request);
    ASSERT_TRUE(heard.complete()) << heard.why();
    EXPECT_EQ(heard.ids.at(0), cluster_.AnswerTo(request));
  }
  EXPECT_EQ(other.CountersAtRest().encoded, 8u);
}

TEST_F(EncoderLossTest, APictureWhoseEncoderDiesOverItIsEncodedByAnother) {
  cluster_.AddDecoder("d0");
  LocalEncoder& a = cluster_.AddEncoder("e0");
  LocalEncoder& b = cluster_.AddEncoder("e1");
  a.Hold();
  b.Hold();
  const v1::GenerateRequest request = LocalCluster::MakeRequest("What is this: ", 30, {5});
  const auto call = cluster_.Start(request);
  const auto [first, second] = AwaitBusy(a, b);
  second->Release();
  first->Kill();
  const Heard& heard = call->Finish();
  ASSERT_TRUE(heard.complete()) << heard.why();
  EXPECT_EQ(heard.ids.at(0), cluster_.AnswerTo(request));
  EXPECT_EQ(heard.finished.at(0).timings().migrations(), 0u);  // the decoder stays
  EXPECT_EQ(second->CountersAtRest().encoded, 1u);
}

TEST_F(EncoderLossTest, APictureThatTwoEncodersDiedOfIsRefused) {
  cluster_.AddDecoder("d0");
  std::vector<LocalEncoder*> encoders;
  for (const char* id : {"e0", "e1", "e2"}) {
    encoders.push_back(&cluster_.AddEncoder(id));
    encoders.back()->Hold();
  }
  const auto call = cluster_.Start(LocalCluster::MakeRequest("What is this: ", 30, {5}));
  for (int deaths = 0; deaths < 2; ++deaths) {
    const auto busy = [](LocalEncoder* encoder) { return encoder->busy(); };
    AwaitTrue("a picture comes to a tower", [&] { return std::ranges::any_of(encoders, busy); });
    const auto found = std::ranges::find_if(encoders, busy);
    (*found)->Kill();
    encoders.erase(found);
  }
  const Heard& heard = call->Finish();
  EXPECT_EQ(heard.status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(heard.status), "WORKERS_DIED") << heard.why();
  EXPECT_EQ(encoders.front()->counters().submitted, 0u);
}

// One death, whoever sees it.
TEST_F(EncoderLossTest, ARequestOfManyPicturesSurvivesTheLossOfTheirEncoder) {
  cluster_.AddDecoder("d0");
  LocalEncoder& first = cluster_.AddEncoder("e0");
  first.Hold();
  const v1::GenerateRequest request = LocalCluster::MakeRequest("Compare: ", 30, {1, 2, 3, 4});
  const auto call = cluster_.Start(request);
  AwaitTrue("all are at the first", [&] { return first.busy() && first.counters().submitted == 4; });
  LocalEncoder& second = cluster_.AddEncoder("e1");
  first.Kill();
  const Heard& heard = call->Finish();
  ASSERT_TRUE(heard.complete()) << heard.why();
  EXPECT_EQ(heard.ids.at(0), cluster_.AnswerTo(request));
  EXPECT_EQ(second.CountersAtRest().encoded, 4u);
}

TEST_F(EncoderLossTest, APictureThatNobodyCanEncodeEndsItsOwnRequestAlone) {
  LocalDecoder& decoder = cluster_.AddDecoder("d0");
  cluster_.AddEncoder("e0");
  v1::GenerateRequest bad = LocalCluster::MakeRequest("What is this: ", 30, {5});
  std::string& file = *bad.mutable_prompt()->mutable_raw()->mutable_parts(1)->mutable_image()->mutable_data();
  file.resize(file.size() - 1);  // its header is right, its end is missing
  const Heard heard = cluster_.Generate(bad);
  EXPECT_EQ(heard.status.code(), StatusCode::kInvalidArgument) << heard.why();
  EXPECT_EQ(FieldOf(heard.status), "prompt.images[0]");
  const v1::GenerateRequest good = LocalCluster::MakeRequest("What is this: ", 30, {5});
  const Heard next = cluster_.Generate(good);
  ASSERT_TRUE(next.complete()) << next.why();
  EXPECT_EQ(next.ids.at(0), cluster_.AnswerTo(good));
  EXPECT_TRUE(decoder.health().ok());
}

}  // namespace
}  // namespace triptych::cluster_test
