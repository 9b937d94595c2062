#include "common/tokenizer/sentencepiece_encoder.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/reference_sentencepiece.h"

namespace triptych {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
}

SentencePieceEncoder MakeEncoder(const SentencePieceModel& model) {
  auto encoder = SentencePieceEncoder::Make(model);
  EXPECT_TRUE(encoder.ok()) << Message(encoder.status());
  return *std::move(encoder);
}

// Random characters of many scripts, pieces of the vocabulary, and runs of spaces.
std::string RandomText(std::mt19937& random, const SentencePieceModel& model) {
  std::string text;
  const auto append = [&](uint32_t c) {
    if (c < 0x80) {
      text += static_cast<char>(c);
    } else if (c < 0x800) {
      text += {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 63))};
    } else if (c < 0x10000) {
      text += {static_cast<char>(0xe0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 63)), static_cast<char>(0x80 | (c & 63))};
    } else {
      text += {static_cast<char>(0xf0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 63)), static_cast<char>(0x80 | (c >> 6 & 63)),
               static_cast<char>(0x80 | (c & 63))};
    }
  };
  for (int i = random() % 60; i >= 0; --i) {
    switch (random() % 8) {
      case 0: append(random() % 0x7f + 1); break;
      case 1: append(0x80 + random() % 0x700); break;
      case 2: append(0x4e00 + random() % 0x2000); break;
      case 3: append(0x1f300 + random() % 0x300); break;
      case 4: text += std::string(random() % 4, ' '); break;
      default: text += model.entries[random() % model.entries.size()].piece; break;
    }
  }
  return text;
}

void CompareWithTheLibrary(const std::string& path, int rounds) {
  const std::string file = ReadFile(path);
  const auto model = ReadSentencePieceModel(file);
  ASSERT_TRUE(model.ok()) << path << Message(model.status());
  const SentencePieceEncoder encoder = MakeEncoder(*model);
  const ReferenceSentencePiece reference(file);
  ASSERT_TRUE(reference.ok());
  std::mt19937 random(7);
  for (int round = 0; round < rounds; ++round) {
    const std::string text = RandomText(random, *model);
    ASSERT_EQ(encoder.Encode(text), reference.Encode(text)) << text;
  }
}

TEST(SentencePieceEncoder, GivesTheLibrarysIds) {
  CompareWithTheLibrary(std::string(TRIPTYCH_TEST_DATA) + "/golden/xcomposer2-vl-tiny/tokenizer.model", 4000);
}

TEST(SentencePieceEncoder, GivesTheLibrarysIdsWithThePublishedModel) {
  const char* dir = std::getenv("TRIPTYCH_INTERNLM2_TOKENIZER");
  if (dir == nullptr) GTEST_SKIP() << "TRIPTYCH_INTERNLM2_TOKENIZER is not set";
  CompareWithTheLibrary(std::string(dir) + "/tokenizer.model", 20000);
}

SentencePieceModel SmallModel() {
  using Type = SentencePieceEntry::Type;
  SentencePieceModel model{.add_dummy_prefix = false, .remove_extra_whitespaces = false};
  model.entries = {{"<unk>", 0, Type::kUnknown}, {"a", -9, Type::kNormal},   {"b", -10, Type::kNormal}, {"ab", -2, Type::kNormal},
                   {"ba", -1, Type::kNormal},    {"aba", -3, Type::kUnused}, {"[X]", 0, Type::kUserDefined}, {"\xe2\x96\x81", -11}};
  return model;
}

TEST(SentencePieceEncoder, MergesByScoreThenFromTheLeft) {
  const SentencePieceEncoder encoder = MakeEncoder(SmallModel());
  EXPECT_THAT(encoder.Encode("abb"), testing::ElementsAre(3, 2));
  EXPECT_THAT(encoder.Encode("abab"), testing::ElementsAre(1, 4, 2));
  EXPECT_THAT(encoder.Encode("aba"), testing::ElementsAre(1, 4)) << "unused pieces are taken apart";
  EXPECT_THAT(encoder.Encode("a[X]b"), testing::ElementsAre(1, 6, 2)) << "user-defined pieces are never merged";
  EXPECT_THAT(encoder.Encode("zzza"), testing::ElementsAre(0, 1)) << "a run of unknown characters is one piece";
  EXPECT_THAT(encoder.Encode(""), testing::IsEmpty());
}

TEST(SentencePieceEncoder, SpacesFollowTheModel) {
  SentencePieceModel model = SmallModel();
  EXPECT_THAT(MakeEncoder(model).Encode(" a  b "), testing::ElementsAre(7, 1, 7, 7, 2, 7));
  model.add_dummy_prefix = model.remove_extra_whitespaces = true;
  EXPECT_THAT(MakeEncoder(model).Encode(" a  b "), testing::ElementsAre(7, 1, 7, 2));
  EXPECT_THAT(MakeEncoder(model).Encode("   "), testing::IsEmpty());
}

TEST(SentencePieceEncoder, RefusesModelsThatContradictThemselves) {
  SentencePieceModel model = SmallModel();
  model.byte_fallback = true;
  EXPECT_EQ(SentencePieceEncoder::Make(model).status().code(), StatusCode::kFailedPrecondition);
  model = SmallModel();
  model.entries.push_back(model.entries[3]);
  EXPECT_THAT(std::string(Message(SentencePieceEncoder::Make(model).status())), testing::HasSubstr("'ab'"));
  model = SmallModel();
  model.entries.erase(model.entries.begin());
  EXPECT_EQ(SentencePieceEncoder::Make(model).status().code(), StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace triptych
