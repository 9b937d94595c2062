// Requests that are refused, each naming the field, and those that pass.
#include <cmath>
#include <functional>
#include <limits>

#include "common/status_reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "router/validation/options.h"
#include "router/validation/prompt.h"
#include "tests/fakes/fake_model_card.h"

namespace triptych::router {
namespace {

using testing::HasSubstr;

const ModelCard& Card() {
  static const fakes::FakeModelCard kCard;
  return kCard;
}

StatusOr<GenerateOptions> Check(const v1::GenerateRequest& request) { return CheckOptions(request, Card(), RequestLimits{}); }

struct BadOption {
  const char* name;
  std::function<void(v1::GenerateRequest&)> change;
  const char* field;
  StatusCode code = StatusCode::kInvalidArgument;
};
class BadOptions : public testing::TestWithParam<BadOption> {};

TEST_P(BadOptions, NameTheField) {
  v1::GenerateRequest request;
  GetParam().change(request);
  const auto options = Check(request);
  ASSERT_FALSE(options.ok());
  EXPECT_EQ(options.status().code(), GetParam().code) << Message(options.status());
  EXPECT_THAT(std::string(Message(options.status())), HasSubstr(GetParam().field));
  EXPECT_NE(ReasonOf(options.status()), "");
}

const float kNan = std::numeric_limits<float>::quiet_NaN();

INSTANTIATE_TEST_SUITE_P(
    All,
    BadOptions,
    testing::Values(
        BadOption{"NanTemperature", [](auto& r) { r.mutable_sampling()->set_temperature(kNan); }, "temperature"},
        BadOption{"NegativeTemperature", [](auto& r) { r.mutable_sampling()->set_temperature(-1); }, "temperature"},
        BadOption{"HugeTemperature", [](auto& r) { r.mutable_sampling()->set_temperature(1e38f); }, "temperature"},
        BadOption{"TopP", [](auto& r) { r.mutable_sampling()->set_top_p(1.0001f); }, "top_p"},
        BadOption{"MinP", [](auto& r) { r.mutable_sampling()->set_min_p(-0.1f); }, "min_p"},
        BadOption{"Penalty", [](auto& r) { r.mutable_sampling()->set_repetition_penalty(1e38f); }, "repetition_penalty"},
        BadOption{"ManySequences", [](auto& r) { r.mutable_sampling()->set_n(9); }, "n"},
        BadOption{"HugeN", [](auto& r) { r.mutable_sampling()->set_n(0xffffffff); }, "n"},
        BadOption{"ManyBeams", [](auto& r) { r.mutable_sampling()->set_num_beams(17); }, "num_beams"},
        BadOption{"MoreThanBeams",
                  [](auto& r) {
                    r.mutable_sampling()->set_num_beams(2);
                    r.mutable_sampling()->set_n(3);
                  },
                  "n"},
        BadOption{"SampledBeams",
                  [](auto& r) {
                    r.mutable_sampling()->set_num_beams(2);
                    r.mutable_sampling()->set_temperature(1);
                  },
                  "num_beams"},
        BadOption{"BiasOutsideTheVocabulary", [](auto& r) { (*r.mutable_sampling()->mutable_logit_bias())[1 << 20] = 1; }, "logit_bias"},
        BadOption{"BiasNan", [](auto& r) { (*r.mutable_sampling()->mutable_logit_bias())[1] = kNan; }, "logit_bias"},
        BadOption{"ManyStops",
                  [](auto& r) {
                    for (int i = 0; i < 9; ++i) r.mutable_stopping()->add_stop("x");
                  },
                  "stop"},
        BadOption{"LongStop", [](auto& r) { r.mutable_stopping()->add_stop(std::string(65, 'x')); }, "stop"},
        BadOption{"EmptyStop", [](auto& r) { r.mutable_stopping()->add_stop(""); }, "stop"},
        BadOption{"StopIdOutsideTheVocabulary", [](auto& r) { r.mutable_stopping()->add_stop_token_ids(1 << 20); }, "stop_token_ids"},
        BadOption{"MinAboveMax",
                  [](auto& r) {
                    r.mutable_stopping()->set_max_new_tokens(5);
                    r.mutable_stopping()->set_min_new_tokens(6);
                  },
                  "min_new_tokens"},
        BadOption{"ManyLogprobs", [](auto& r) { r.set_top_logprobs(21); }, "top_logprobs"},
        BadOption{"Regex", [](auto& r) { r.mutable_constraint()->set_regex("a+"); }, "regex", StatusCode::kUnimplemented},
        BadOption{"Adapter", [](auto& r) { r.set_adapter("web"); }, "adapter"},
        BadOption{"RequestId", [](auto& r) { r.set_request_id(std::string(200, 'x')); }, "request_id"},
        BadOption{"ResumeOfNoSequence", [](auto& r) { r.add_resume()->set_sequence(1); }, "resume"},
        BadOption{"ResumeOutsideTheVocabulary", [](auto& r) { r.add_resume()->add_token_ids(1 << 20); }, "resume"}),
    [](const auto& info) { return info.param.name; });

TEST(Options, AnAdapterIsOneOfTheCards) {
  class CardWithAdapters final : public fakes::FakeModelCard {
   public:
    std::span<const std::string> adapters() const override { return adapters_; }

   private:
    const std::vector<std::string> adapters_ = {"base", "web", "write"};
  };
  const CardWithAdapters card;
  const auto check = [&](const std::string& adapter) {
    v1::GenerateRequest request;
    request.set_adapter(adapter);
    return CheckOptions(request, card, RequestLimits{});
  };
  EXPECT_EQ(check("")->adapter, "");
  EXPECT_EQ(check("base")->adapter, "") << "one name for the same rows";
  EXPECT_EQ(check("write")->adapter, "write");
  const Status refused = check("Web").status();
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(refused)), testing::HasSubstr("base, web, write"));
}

TEST(Options, DefaultsAreResolved) {
  const auto options = Check({});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->num_sequences(), 1);
  EXPECT_FALSE(options->beam_search());
  EXPECT_EQ(options->stopping.stop_token_ids, Card().defaults().stop_token_ids);
}

TEST(Options, NewTokensFitWhatTheContextLeaves) {
  v1::GenerateRequest request;
  EXPECT_EQ(*ResolveMaxNewTokens(*Check(request), Card(), 100, 0), Card().defaults().max_new_tokens);
  EXPECT_EQ(*ResolveMaxNewTokens(*Check(request), Card(), Card().context_tokens() - 5, 0), 5);
  request.mutable_stopping()->set_max_new_tokens(6);
  const auto refused = ResolveMaxNewTokens(*Check(request), Card(), Card().context_tokens() - 5, 3);
  EXPECT_THAT(std::string(Message(refused.status())), testing::AllOf(HasSubstr("6"), HasSubstr(std::to_string(Card().context_tokens()))));
}

Status CheckOne(const std::function<void(v1::Prompt&)>& fill) {
  v1::Prompt prompt;
  fill(prompt);
  return CheckPrompt(prompt, Card(), RequestLimits{});
}

TEST(Prompt, FormCountsAndTextAreChecked) {
  const auto message = [](v1::Prompt& prompt) { return prompt.mutable_conversation()->add_messages(); };
  EXPECT_TRUE(CheckOne([&](auto& p) {
                auto* m = message(p);
                m->set_role(v1::ROLE_USER);
                m->add_parts()->set_text("hello");
              }).ok());
  EXPECT_FALSE(CheckOne([](auto&) {}).ok());
  EXPECT_FALSE(CheckOne([&](auto& p) { message(p)->add_parts()->set_text("no role"); }).ok());
  EXPECT_THAT(std::string(Message(CheckOne([](auto& p) { p.mutable_tokens()->add_ids(1 << 20); }))), HasSubstr("ids"));
  const Status url = CheckOne([](auto& p) { p.mutable_raw()->add_parts()->mutable_image()->set_url("https://example.org/x.png"); });
  EXPECT_EQ(ReasonOf(url), "URL_NOT_ALLOWED");
  EXPECT_FALSE(CheckOne([](auto& p) { p.mutable_raw()->add_parts()->mutable_image()->set_sha256("../../etc/passwd"); }).ok());
  EXPECT_FALSE(CheckOne([](auto& p) { p.mutable_raw()->add_parts()->mutable_image(); }).ok());
  EXPECT_FALSE(CheckOne([](auto& p) {
                 for (int i = 0; i < 17; ++i) p.mutable_raw()->add_parts()->mutable_image()->set_data("x");
               }).ok());
  EXPECT_FALSE(CheckOne([](auto& p) { p.mutable_raw()->add_parts()->set_text(std::string((2 << 20) + 1, 'x')); }).ok());
}

}  // namespace
}  // namespace triptych::router
