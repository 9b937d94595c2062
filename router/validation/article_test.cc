#include "router/validation/article.h"

#include <functional>

#include "common/status_reason.h"
#include "gtest/gtest.h"
#include "tests/fakes/fake_model_card.h"

namespace triptych::router {
namespace {

Status Check(const std::function<void(v1::ComposeRequest&)>& change) {
  v1::ComposeRequest request;
  request.set_instruction("A day at the harbour");
  change(request);
  RequestLimits limits;
  limits.max_text_bytes = 100;
  limits.max_images = 2;
  return CheckArticle(request, fakes::FakeModelCard(), limits);
}

TEST(CheckArticleTest, NamesTheFieldThatIsWrong) {
  const std::pair<const char*, std::function<void(v1::ComposeRequest&)>> wrong[] = {
      {"instruction", [](auto& r) { r.clear_instruction(); }},
      {"instruction", [](auto& r) { r.set_instruction(" \n\t"); }},
      {"instruction", [](auto& r) { r.set_instruction(std::string(101, 'a')); }},
      {"language", [](auto& r) { r.set_language("de\"><script>"); }},
      {"images",
       [](auto& r) {
         for (int i = 0; i < 3; ++i) r.add_images();
       }},
      {"candidates", [](auto& r) { r.set_candidates(kMaxCandidatePictures + 1); }},
      {"max_new_tokens", [](auto& r) { r.set_max_new_tokens(4097); }},
      {"request_id", [](auto& r) { r.set_request_id("two words"); }},
      {"sampling.n", [](auto& r) { r.mutable_sampling()->set_n(2); }},
      {"sampling.top_p", [](auto& r) { r.mutable_sampling()->set_top_p(2); }},
  };
  for (const auto& [field, change] : wrong) {
    const Status status = Check(change);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << field;
    EXPECT_EQ(FieldOf(status), field) << Message(status);
  }
}

TEST(CheckArticleTest, TakesWhatIsRight) {
  const Status status = Check([](auto& r) {
    r.set_language("zh-Hans");
    r.set_candidates(kMaxCandidatePictures);
    r.set_max_images(1000);
    r.add_images();
    r.mutable_sampling()->set_temperature(1);
    r.mutable_sampling()->set_n(1);
  });
  EXPECT_TRUE(status.ok()) << Message(status);
}

TEST(SaysHowToSampleTest, ASeedAloneSaysNothing) {
  v1::Sampling sampling;
  EXPECT_FALSE(SaysHowToSample(sampling));
  sampling.set_seed(0);
  EXPECT_FALSE(SaysHowToSample(sampling));
  sampling.set_top_k(1);
  EXPECT_TRUE(SaysHowToSample(sampling));
}

}  // namespace
}  // namespace triptych::router
