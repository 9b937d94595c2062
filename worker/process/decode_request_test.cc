#include "worker/process/decode_request.h"

#include <functional>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triptych::worker {
namespace {

using internal::v1::StartDecode;

DecoderTraits Traits() {
  DecoderTraits traits;
  traits.incarnation = 7;
  traits.identity.set_numerics("cpu-f32-tp1");
  traits.vocab_size = 100;
  traits.context_tokens = 64;
  return traits;
}

StartDecode Good() {
  StartDecode start;
  start.set_incarnation(7);
  *start.mutable_identity() = Traits().identity;
  for (const int id : {1, 5, -1, -1, 6}) start.add_prompt(id);
  auto* picture = start.add_pictures();
  picture->set_start(2);
  picture->set_rows(2);
  picture->set_key(std::string(32, 'k'));
  start.mutable_limits()->set_max_new_tokens(8);
  return start;
}

TEST(BuildRequest, AGoodOneIsResolved) {
  StartDecode start = Good();
  start.mutable_sampling()->set_n(2);
  auto* resumed = start.add_resume();
  resumed->set_sequence(1);
  resumed->add_token_ids(9);
  const auto request = BuildRequest(start, Traits());
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_THAT((*request)->prompt, testing::ElementsAre(1, 5, kImageRow, kImageRow, 6));
  EXPECT_EQ((*request)->images.at(0).start, 2);
  EXPECT_EQ((*request)->num_sequences, 2);
  EXPECT_EQ((*request)->sampling->top_p, 1);
  EXPECT_THAT((*request)->resume.at(1).output, testing::ElementsAre(9));
  EXPECT_TRUE((*request)->resume.at(0).output.empty());
}

TEST(BuildRequest, AnAdapterIsKnownByItsPlace) {
  DecoderTraits traits = Traits();
  traits.adapters = {"base", "web", "write"};
  StartDecode start = Good();
  EXPECT_EQ((*BuildRequest(start, traits))->adapter, 0);
  start.set_adapter("base");
  EXPECT_EQ((*BuildRequest(start, traits))->adapter, 0);
  start.set_adapter("write");
  EXPECT_EQ((*BuildRequest(start, traits))->adapter, 2);
  start.set_adapter("wri");
  const Status refused = BuildRequest(start, traits).status();
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(refused)), testing::HasSubstr("base, web, write"));
}

struct Bad {
  const char* name;
  std::function<void(StartDecode&)> change;
  StatusCode code = StatusCode::kInvalidArgument;
};
class BadRequest : public testing::TestWithParam<Bad> {};

TEST_P(BadRequest, IsRefused) {
  StartDecode start = Good();
  GetParam().change(start);
  EXPECT_EQ(BuildRequest(start, Traits()).status().code(), GetParam().code);
}

INSTANTIATE_TEST_SUITE_P(
    All,
    BadRequest,
    testing::Values(Bad{"OtherIncarnation", [](auto& s) { s.set_incarnation(6); }, StatusCode::kUnavailable},
                    Bad{"OtherNumerics", [](auto& s) { s.mutable_identity()->set_numerics("cuda"); }, StatusCode::kFailedPrecondition},
                    Bad{"EmptyPrompt", [](auto& s) { s.clear_prompt(); }},
                    Bad{"IdOutsideTheVocabulary", [](auto& s) { s.set_prompt(0, 100); }},
                    Bad{"NegativeId", [](auto& s) { s.set_prompt(0, -2); }},
                    Bad{"RowsWithoutAPicture", [](auto& s) { s.clear_pictures(); }},
                    Bad{"PictureOverText", [](auto& s) { s.mutable_pictures(0)->set_rows(3); }},
                    Bad{"PictureBehindTheEnd", [](auto& s) { s.mutable_pictures(0)->set_start(0xffffffff); }},
                    Bad{"HugePicture", [](auto& s) { s.mutable_pictures(0)->set_rows(0xffffffff); }},
                    Bad{"ShortKey", [](auto& s) { s.mutable_pictures(0)->set_key("k"); }},
                    Bad{"NoNewTokens", [](auto& s) { s.mutable_limits()->set_max_new_tokens(0); }},
                    Bad{"MoreThanTheContext", [](auto& s) { s.mutable_limits()->set_max_new_tokens(0xffffffff); }},
                    Bad{"MinAboveMax", [](auto& s) { s.mutable_limits()->set_min_new_tokens(9); }},
                    Bad{"NanTemperature", [](auto& s) { s.mutable_sampling()->set_temperature(std::numeric_limits<float>::quiet_NaN()); }},
                    Bad{"ManyBeams", [](auto& s) { s.mutable_sampling()->set_num_beams(1000); }},
                    Bad{"ManySequences", [](auto& s) { s.mutable_sampling()->set_n(0xffffffff); }},
                    Bad{"BiasOutsideTheVocabulary", [](auto& s) { (*s.mutable_sampling()->mutable_logit_bias())[100] = 1; }},
                    Bad{"StopIdOutsideTheVocabulary", [](auto& s) { s.mutable_limits()->add_stop_token_ids(100); }},
                    Bad{"EmptyChoice", [](auto& s) { s.add_choices(); }},
                    Bad{"ResumeOfNoSequence", [](auto& s) { s.add_resume()->set_sequence(1); }},
                    Bad{"ResumeOfTooMuch",
                        [](auto& s) {
                          auto* resumed = s.add_resume();
                          for (int i = 0; i < 9; ++i) resumed->add_token_ids(1);
                        }},
                    Bad{"Adapter", [](auto& s) { s.set_adapter("web"); }}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace triptych::worker
