#include "common/tokenizer/tokenizer.h"

#include <random>

#include "gtest/gtest.h"

namespace triptych {
namespace {

// Each id is one byte.
class ByteTokenizer final : public Tokenizer {
 public:
  std::vector<TokenId> Encode(std::span<const TextRun> runs) const override {
    std::vector<TokenId> ids;
    for (const TextRun& run : runs) {
      for (const char c : run.text) ids.push_back(static_cast<uint8_t>(c));
    }
    return ids;
  }
  std::string Bytes(TokenId id) const override { return std::string(1, static_cast<char>(id)); }
  int32_t vocab_size() const override { return 256; }
  TokenId bos() const override { return 1; }
  TokenId eos() const override { return 2; }
  TokenId SpecialId(std::string_view) const override { return -1; }
};

std::string Detokenize(std::string_view bytes) {
  static const ByteTokenizer kTokenizer;
  IncrementalDetokenizer detokenizer(&kTokenizer);
  std::string text;
  for (const char c : bytes) {
    const std::string piece = detokenizer.Append(static_cast<uint8_t>(c));
    EXPECT_TRUE(IsValidUtf8(piece));
    text += piece;
  }
  return text + detokenizer.Flush();
}

TEST(IncrementalDetokenizer, HoldsBackUnfinishedCharacters) {
  static const ByteTokenizer kTokenizer;
  IncrementalDetokenizer detokenizer(&kTokenizer);
  EXPECT_EQ(detokenizer.Append(0xe4), "");
  EXPECT_EQ(detokenizer.Append(0xb8), "");
  EXPECT_EQ(detokenizer.Append(0xad), "中");
  EXPECT_EQ(detokenizer.Flush(), "");
}

TEST(IncrementalDetokenizer, InvalidBytesBecomeOneReplacementPerSubpart) {
  EXPECT_EQ(Detokenize("a\xff" "b"), "a\xef\xbf\xbd" "b");
  EXPECT_EQ(Detokenize("\xe4\xb8z"), "\xef\xbf\xbdz");
  EXPECT_EQ(Detokenize("\xf0\x9f\x98"), "\xef\xbf\xbd");
  EXPECT_EQ(Detokenize("\x80\x80"), "\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(IncrementalDetokenizer, RandomBytesAlwaysGiveValidTextAndValidTextIsUnchanged) {
  std::mt19937 random(11);
  for (int round = 0; round < 500; ++round) {
    std::string bytes;
    for (int i = 0; i < 40; ++i) bytes += static_cast<char>(random() % 4 == 0 ? random() % 128 : 128 + random() % 128);
    const std::string text = Detokenize(bytes);
    ASSERT_TRUE(IsValidUtf8(text));
    if (IsValidUtf8(bytes)) {
      ASSERT_EQ(text, bytes);
    }
  }
  EXPECT_EQ(Detokenize("Grüße, 世界 😀"), "Grüße, 世界 😀");
}

}  // namespace
}  // namespace triptych
