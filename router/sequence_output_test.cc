#include "router/sequence_output.h"

#include <random>

#include "gtest/gtest.h"
#include "tests/fakes/fake_model_card.h"

namespace triptych::router {
namespace {

const fakes::ByteTokenizer kTokenizer;

std::vector<TokenId> Ids(const std::string& text) {
  return kTokenizer.Tokenizer::Encode(text, /*trusted=*/true);
}

TEST(SequenceOutput, TheJournalTakesWhatComes) {
  SequenceOutput output(&kTokenizer, {}, 0);
  const SequenceOutput::Piece piece = output.Append(Ids("héllo"));
  EXPECT_EQ(piece.taken, 6);
  EXPECT_EQ(piece.text, "héllo");
  EXPECT_EQ(output.ids(), Ids("héllo"));
  EXPECT_EQ(output.Finish(), "");
}

TEST(SequenceOutput, NothingIsTakenAfterAStopString) {
  SequenceOutput output(&kTokenizer, {"lo"}, 0);
  const SequenceOutput::Piece piece = output.Append(Ids("hello world"));
  EXPECT_EQ(piece.taken, 5);
  EXPECT_EQ(piece.text, "hel");
  EXPECT_EQ(output.stop(), "lo");
  EXPECT_EQ(output.Append(Ids("more")).taken, 0);
  EXPECT_EQ(output.Finish(), "");
}

TEST(SequenceOutput, AnUnfinishedCharacterEndsAsAReplacement) {
  SequenceOutput output(&kTokenizer, {}, 0);
  EXPECT_EQ(output.Append(Ids(std::string("a\xe5\x9b"))).text, "a");
  EXPECT_EQ(output.Finish(), "\xef\xbf\xbd");
}

TEST(SequenceOutput, PortionsChangeNothing) {
  const std::string text = "図形 stop here sto 図 stopped";
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    SequenceOutput output(&kTokenizer, {"stopp"}, 0);
    std::string got;
    for (size_t at = 0; at < text.size();) {
      const size_t n = std::min<size_t>(1 + random() % 6, text.size() - at);
      got += output.Append(Ids(text.substr(at, n))).text;
      at += n;
    }
    EXPECT_EQ(got, "図形 stop here sto 図 ");
    EXPECT_EQ(output.stop(), "stopp");
  }
}

}  // namespace
}  // namespace triptych::router
