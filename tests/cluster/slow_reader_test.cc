// A client that does not read.
#include "common/status_reason.h"
#include "tests/cluster/cluster_test.h"

namespace triptych::cluster_test {
namespace {

class SlowReaderTest : public ClusterTest {
 protected:
  SlowReaderTest() : ClusterTest({.max_unsent_bytes = 1024}) {}
};

TEST_F(SlowReaderTest, IsDroppedWhileItsNeighboursGoOn) {
  LocalDecoder& decoder = cluster_.AddDecoder("d0");
  decoder.HoldAfter(2900);  // by then it is long too slow; it must not come to its end before it is dropped
  const auto slow = cluster_.StartSlowReader(LocalCluster::MakeRequest("I shall read this later", 3000));
  AwaitTrue("the decoder hears that it is dropped", [&] { return decoder.open_streams() == 0 && decoder.stats().accepted == 1; });
  decoder.Release();
  AwaitTrue("it is cancelled", [&] { return decoder.stats().cancelled == 1; });
  const v1::GenerateRequest request = LocalCluster::MakeRequest("a neighbour", 200);
  const Heard neighbour = cluster_.Generate(request);
  ASSERT_TRUE(neighbour.complete()) << neighbour.why();
  EXPECT_EQ(neighbour.ids.at(0), cluster_.AnswerTo(request));
  const Heard& heard = slow->Finish();
  EXPECT_EQ(heard.status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(heard.status), "SLOW_READER") << heard.why();
  EXPECT_EQ(decoder.stats().completed, 1u);
}

}  // namespace
}  // namespace triptych::cluster_test
