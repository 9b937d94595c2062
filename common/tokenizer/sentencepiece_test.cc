#include "common/tokenizer/sentencepiece.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace triptych {
namespace {

const std::string kGolden = std::string(TRIPTYCH_TEST_DATA) + "/golden/xcomposer2-vl-tiny";

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
}

class SentencePieceTest : public testing::Test {
 protected:
  void SetUp() override {
    auto loaded = LoadTokenizer(kGolden);
    ASSERT_TRUE(loaded.ok()) << Message(loaded.status());
    tokenizer_ = *std::move(loaded);
  }
  std::string Decode(const std::vector<TokenId>& ids) const {
    std::string text;
    for (const TokenId id : ids) text += tokenizer_->Bytes(id);
    return text;
  }
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_F(SentencePieceTest, TextSurvivesTheRoundTrip) {
  for (const char* text : {"", "Hello world", "  two  spaces ", "请描述这张图片。", "a\nb\tc", "😀 emoji", "[UNUSED_TOKEN_", "<s", "[[]]<>"}) {
    EXPECT_EQ(Decode(tokenizer_->Encode(text, false)), text);
    EXPECT_EQ(Decode(tokenizer_->Encode(text, true)), text);
  }
}

TEST_F(SentencePieceTest, SpellingsActInTrustedTextAlone) {
  const TokenId end = tokenizer_->SpecialId("[UNUSED_TOKEN_145]");
  ASSERT_GT(end, 0);
  const std::string text = "a[UNUSED_TOKEN_145]b";
  EXPECT_THAT(tokenizer_->Encode(text, true), testing::Contains(end));
  const auto plain = tokenizer_->Encode(text, false);
  EXPECT_THAT(plain, testing::Not(testing::Contains(end)));
  EXPECT_EQ(Decode(plain), text);
}

TEST_F(SentencePieceTest, ASpellingAcrossTheBorderOfTrustIsOnlyText) {
  const TokenId end = tokenizer_->SpecialId("[UNUSED_TOKEN_145]");
  const std::vector<TextRun> runs = {{"user\n[UNUSED_", true}, {"TOKEN_145]", false}, {"[UNUSED_TOKEN_145]", true}};
  const auto ids = tokenizer_->Encode(runs);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), end), 1);
  EXPECT_EQ(ids.back(), end);
}

TEST_F(SentencePieceTest, ControlSpellingsAreCutOutOfTrustedTextWithTheSpaceBesideThem) {
  const auto expect = [&](const std::string& text, std::vector<TokenId> left, TokenId id, std::vector<TokenId> right) {
    left.push_back(id);
    left.insert(left.end(), right.begin(), right.end());
    EXPECT_EQ(tokenizer_->Encode(text, true), left) << text;
  };
  expect("a  <s> \n b", tokenizer_->Encode("a", true), tokenizer_->bos(), tokenizer_->Encode("b", true));
  expect("</s>", {}, tokenizer_->eos(), {});
  EXPECT_THAT(tokenizer_->Encode("a <s> b", false), testing::Not(testing::Contains(tokenizer_->bos())));
}

TEST_F(SentencePieceTest, ConversationsNeverHoldSpecialTokensWhateverTheText) {
  std::mt19937 random(5);
  const std::vector<std::string> parts = {"[UNUSED_TOKEN_145]", "[UNUSED_TOKEN_146]", "[UNUSED_TOKEN_", "<s>", "</s>", "145]", "[", "x", " "};
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (int i = 0; i < 8; ++i) text += parts[random() % parts.size()];
    const auto ids = tokenizer_->Encode(text, false);
    ASSERT_EQ(Decode(ids), text);
    for (const char* spelling : {"[UNUSED_TOKEN_145]", "[UNUSED_TOKEN_146]", "<s>", "</s>"}) {
      ASSERT_THAT(ids, testing::Not(testing::Contains(tokenizer_->SpecialId(spelling)))) << text;
    }
  }
}

TEST_F(SentencePieceTest, IdsOutsideTheVocabularyAreNothing) {
  EXPECT_EQ(tokenizer_->Bytes(-1), "");
  EXPECT_EQ(tokenizer_->Bytes(1 << 30), "");
  EXPECT_EQ(tokenizer_->Bytes(tokenizer_->bos()), "");
  EXPECT_EQ(tokenizer_->SpecialId("[NO_SUCH]"), -1);
}

class BrokenTokenizer : public testing::Test {
 protected:
  ~BrokenTokenizer() override { std::filesystem::remove_all(dir_); }
  Status Load(const std::string& bytes) {
    std::filesystem::create_directories(dir_);
    std::ofstream(dir_ + "/tokenizer.model", std::ios::binary) << bytes;
    return LoadTokenizer(dir_).status();
  }
  const std::string dir_ = testing::TempDir() + "/broken_tokenizer";
};

TEST_F(BrokenTokenizer, IsRefusedByName) {
  const std::string whole = ReadFile(kGolden + "/tokenizer.model");
  for (const std::string& bytes : {std::string(), std::string("garbage"), whole.substr(0, 700), std::string(1000, '\xff')}) {
    const Status status = Load(bytes);
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(Message(status)), testing::HasSubstr("tokenizer.model"));
  }
  EXPECT_THAT(std::string(Message(LoadTokenizer("/no/such/dir").status())), testing::HasSubstr("/no/such/dir"));
}

TEST_F(BrokenTokenizer, NoTruncationCrashes) {
  const std::string whole = ReadFile(kGolden + "/tokenizer.model");
  for (size_t size = 0; size < whole.size(); size += 37) (void)Load(whole.substr(0, size));
}

// The published tokenizer is not in the repository: TRIPTYCH_INTERNLM2_TOKENIZER names a folder with its tokenizer.model and tokens.json.
TEST(PublishedTokenizer, GivesTheReferencesIds) {
  const char* dir = std::getenv("TRIPTYCH_INTERNLM2_TOKENIZER");
  if (dir == nullptr) GTEST_SKIP() << "TRIPTYCH_INTERNLM2_TOKENIZER is not set";
  const auto tokenizer = LoadTokenizer(dir);
  ASSERT_TRUE(tokenizer.ok());
  const auto samples = nlohmann::json::parse(ReadFile(std::string(dir) + "/tokens.json"));
  for (const auto& sample : samples) {
    EXPECT_EQ((*tokenizer)->Encode(sample["text"].get<std::string>(), true), sample["ids"].get<std::vector<TokenId>>()) << sample["text"];
  }
  const auto begin = std::chrono::steady_clock::now();
  (*tokenizer)->Encode(std::string(1 << 20, 'a'), false);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

}  // namespace
}  // namespace triptych
