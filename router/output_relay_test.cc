#include "router/output_relay.h"

#include "gtest/gtest.h"
#include "tests/fakes/fake_model_card.h"

namespace triptych::router {
namespace {

using internal::v1::SequenceFinished;
using internal::v1::Tokens;

const fakes::ByteTokenizer kTokenizer;

Tokens Say(uint32_t sequence, uint32_t offset, std::string_view text) {
  Tokens tokens;
  tokens.set_sequence(sequence);
  tokens.set_offset(offset);
  for (const unsigned char byte : text) {
    tokens.add_ids(static_cast<uint32_t>(fakes::ByteTokenizer::kFirstByte + byte));
    tokens.add_logprobs()->set_logprob(-1);
  }
  return tokens;
}

SequenceFinished End(uint32_t sequence, uint32_t output_tokens) {
  SequenceFinished finished;
  finished.set_sequence(sequence);
  finished.set_reason(v1::FINISH_REASON_LENGTH);
  finished.set_output_tokens(output_tokens);
  return finished;
}

GenerateOptions Options(std::vector<std::string> stop = {}, uint32_t n = 1) {
  GenerateOptions options;
  options.sampling.set_n(n);
  options.stopping.stop = std::move(stop);
  return options;
}

std::vector<TokenId> Ids(std::string_view text) {
  return kTokenizer.Tokenizer::Encode(std::string(text), true);
}

std::string TextOf(const OutputRelay::Step& step) {
  std::string text;
  for (const v1::GenerateEvent& event : step.events) text += event.delta().text();
  return text;
}

TEST(OutputRelay, RelaysIdsOnceAndInOrder) {
  OutputRelay relay(&kTokenizer, Options());
  auto step = relay.OnTokens(Say(0, 0, "ab"));
  ASSERT_TRUE(step.ok());
  ASSERT_EQ(step->events.size(), 1u);
  EXPECT_EQ(step->events[0].delta().text(), "ab");
  EXPECT_EQ(step->events[0].delta().logprobs_size(), 2);
  step = relay.OnTokens(Say(0, 1, "bc"));
  ASSERT_TRUE(step.ok());
  EXPECT_EQ(step->events[0].delta().offset(), 2u);
  EXPECT_EQ(step->events[0].delta().token_ids_size(), 1);
  EXPECT_EQ(step->events[0].delta().logprobs_size(), 1);
  EXPECT_EQ(TextOf(*step), "c");
  EXPECT_TRUE(relay.OnTokens(Say(0, 0, "abc"))->events.empty());
}

TEST(OutputRelay, RefusesGapsAndOtherTokensAndStrangers) {
  OutputRelay relay(&kTokenizer, Options());
  ASSERT_TRUE(relay.OnTokens(Say(0, 0, "ab")).ok());
  EXPECT_EQ(relay.OnTokens(Say(0, 3, "d")).status().code(), StatusCode::kInternal);
  EXPECT_EQ(relay.OnTokens(Say(0, 1, "x")).status().code(), StatusCode::kInternal);
  EXPECT_EQ(relay.OnTokens(Say(1, 0, "a")).status().code(), StatusCode::kInternal);
  EXPECT_EQ(relay.OnFinished(End(0, 9), {}).status().code(), StatusCode::kInternal);
}

TEST(OutputRelay, TextIsWholeCharacters) {
  OutputRelay relay(&kTokenizer, Options());
  const std::string character = "図";
  EXPECT_EQ(TextOf(*relay.OnTokens(Say(0, 0, character.substr(0, 2)))), "");
  EXPECT_EQ(TextOf(*relay.OnTokens(Say(0, 2, character.substr(2)))), "図");
}

TEST(OutputRelay, AStopStringEndsItsSequenceAlone) {
  OutputRelay relay(&kTokenizer, Options({"END"}, 2));
  auto step = relay.OnTokens(Say(0, 0, "goENDxx"));
  ASSERT_TRUE(step.ok());
  EXPECT_EQ(TextOf(*step), "go");
  EXPECT_EQ(step->events[0].delta().token_ids_size(), 5) << "the stop string's ids are relayed";
  ASSERT_EQ(step->stops.size(), 1u);
  EXPECT_EQ(step->stops[0].output_tokens(), 5u);
  EXPECT_TRUE(relay.OnTokens(Say(0, 7, "late"))->events.empty());
  EXPECT_TRUE(relay.needs_decoder());
  ASSERT_TRUE(relay.OnTokens(Say(1, 0, "on")).ok());
  step = relay.OnFinished(End(0, 7), {});
  ASSERT_TRUE(step.ok());
  ASSERT_EQ(step->events.size(), 1u);
  EXPECT_EQ(step->events[0].finished().reason(), v1::FINISH_REASON_STOP);
  EXPECT_EQ(step->events[0].finished().stop(), "END");
  EXPECT_EQ(step->events[0].finished().output_tokens(), 5u);
  ASSERT_TRUE(relay.OnFinished(End(1, 2), {}).ok());
  EXPECT_TRUE(relay.finished());
}

TEST(OutputRelay, AStoppedSequenceFinishesAlsoWithoutItsDecoder) {
  OutputRelay relay(&kTokenizer, Options({"."}));
  ASSERT_TRUE(relay.OnTokens(Say(0, 0, "a.")).ok());
  EXPECT_FALSE(relay.needs_decoder());
  EXPECT_FALSE(relay.finished());
  const OutputRelay::Step step = relay.FinishStopped({});
  ASSERT_EQ(step.events.size(), 1u);
  EXPECT_TRUE(relay.finished());
  EXPECT_TRUE(relay.FinishStopped({}).events.empty());
}

TEST(OutputRelay, HeldBackTextComesWithTheEnd) {
  OutputRelay relay(&kTokenizer, Options({"END"}));
  EXPECT_EQ(TextOf(*relay.OnTokens(Say(0, 0, "aEN"))), "a");
  const auto step = relay.OnFinished(End(0, 3), {});
  ASSERT_TRUE(step.ok());
  ASSERT_EQ(step->events.size(), 2u);
  EXPECT_EQ(step->events[0].delta().text(), "EN");
  EXPECT_EQ(step->events[0].delta().offset(), 3u);
  EXPECT_EQ(step->events[1].finished().reason(), v1::FINISH_REASON_LENGTH);
}

TEST(OutputRelay, BelowMinNewTokensAStopStringIsText) {
  GenerateOptions options = Options({"."});
  options.stopping.min_new_tokens = 3;
  OutputRelay relay(&kTokenizer, options);
  EXPECT_EQ(TextOf(*relay.OnTokens(Say(0, 0, "a.b."))), "a.b");
}

// Wherever a stream is cut, the text before and after is the text of the whole.
TEST(OutputRelay, AResumedStreamGivesTheRestOfTheText) {
  const std::string whole = "日本 EN and ENDED";
  for (size_t cut = 0; cut <= whole.size(); ++cut) {
    OutputRelay first(&kTokenizer, Options({"END"}));
    const std::string before = TextOf(*first.OnTokens(Say(0, 0, whole.substr(0, cut))));
    GenerateOptions options = Options({"END"});
    options.received.push_back({.ids = Ids(whole.substr(0, cut))});
    OutputRelay second(&kTokenizer, options);
    const auto after =
        second.OnTokens(Say(0, static_cast<uint32_t>(cut), whole.substr(cut)));
    ASSERT_TRUE(after.ok());
    EXPECT_EQ(before + TextOf(*after), "日本 EN and ") << "cut at " << cut;
    EXPECT_FALSE(second.needs_decoder());
  }
}

TEST(OutputRelay, TellsTheNextDecoderWhatIsThere) {
  OutputRelay relay(&kTokenizer, Options({"."}, 2));
  internal::v1::StartDecode start;
  relay.FillResume(start);
  EXPECT_TRUE(start.resume().empty());
  ASSERT_TRUE(relay.OnTokens(Say(1, 0, "x.")).ok());
  relay.FillResume(start);
  ASSERT_EQ(start.resume_size(), 2);
  EXPECT_FALSE(start.resume(0).finished());
  EXPECT_TRUE(start.resume(1).finished());
  EXPECT_EQ(start.resume(1).token_ids_size(), 2);
}

TEST(OutputRelay, BeamSearchIsRunAgainAndItsRepetitionDropped) {
  GenerateOptions options = Options();
  options.sampling.set_num_beams(3);
  OutputRelay relay(&kTokenizer, options);
  ASSERT_TRUE(relay.OnTokens(Say(0, 0, "best")).ok());
  internal::v1::StartDecode start;
  relay.FillResume(start);
  EXPECT_TRUE(start.resume().empty());
  EXPECT_TRUE(relay.OnTokens(Say(0, 0, "best"))->events.empty());
}

TEST(OutputRelay, WhatTheClientHasFinishedStaysFinished) {
  GenerateOptions options = Options({}, 2);
  options.received = {{.ids = Ids("a"), .finished = true}, {.ids = Ids("b")}};
  OutputRelay relay(&kTokenizer, options);
  EXPECT_TRUE(relay.OnFinished(End(0, 1), {})->events.empty());
  ASSERT_EQ(relay.OnFinished(End(1, 1), {})->events.size(), 1u);
  EXPECT_TRUE(relay.finished());
}

}  // namespace
}  // namespace triptych::router
