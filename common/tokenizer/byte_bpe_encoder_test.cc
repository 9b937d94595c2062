#include "common/tokenizer/byte_bpe_encoder.h"

#include <random>
#include <string>

#include "common/tokenizer/byte_alphabet.h"
#include "gtest/gtest.h"

namespace triptych {
namespace {

using Ids = std::vector<TokenId>;

// Each byte's id is the byte itself.
ByteBpeAlphabet AllBytes() {
  ByteBpeAlphabet alphabet;
  for (int byte = 0; byte < 256; ++byte) alphabet.byte_ids[byte] = byte;
  return alphabet;
}

Ids Encode(const ByteBpeEncoder& encoder, std::string_view piece) {
  Ids ids;
  encoder.Encode(piece, ids);
  return ids;
}

TEST(ByteAlphabet, SpellsEveryByteAndReadsItBack) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string spelling = SpellByte(static_cast<uint8_t>(byte));
    EXPECT_EQ(BytesOfSpelling(spelling + "a"), std::string(1, static_cast<char>(byte)) + "a");
  }
  EXPECT_EQ(SpellByte(' '), "Ġ");
  EXPECT_EQ(SpellByte('\n'), "Ċ");
  EXPECT_EQ(SpellByte('a'), "a");
  for (const char* strange : {" ", "a b", "中", "\xc4", "ń", "a\xff"}) EXPECT_FALSE(BytesOfSpelling(strange).has_value()) << strange;
}

TEST(ByteBpeEncoder, MergesByRankAndFromTheLeft) {
  const std::vector<ByteBpeMerge> merges = {{'b', 'c', 300}, {'a', 'b', 301}, {'a', 300, 302}, {'a', 'a', 303}};
  const ByteBpeEncoder encoder(AllBytes(), merges);
  EXPECT_EQ(Encode(encoder, ""), Ids{});
  EXPECT_EQ(Encode(encoder, "abc"), Ids{302});
  EXPECT_EQ(Encode(encoder, "abab"), (Ids{301, 301}));
  EXPECT_EQ(Encode(encoder, "aaa"), (Ids{303, 'a'}));
  EXPECT_EQ(Encode(encoder, "aabc"), (Ids{'a', 302}));
}

TEST(ByteBpeEncoder, OfTwoMergesOfTheSameNeighboursTheLaterCounts) {
  const std::vector<ByteBpeMerge> merges = {{'a', 'b', 300}, {'b', 'c', 301}, {'a', 'b', 302}};
  EXPECT_EQ(Encode(ByteBpeEncoder(AllBytes(), merges), "abc"), (Ids{'a', 301}));
}

TEST(ByteBpeEncoder, BytesWithoutATokenAreUnknownOrNothing) {
  const std::vector<ByteBpeMerge> merges = {{'a', 'b', 300}};
  ByteBpeAlphabet alphabet = AllBytes();
  alphabet.byte_ids['x'] = -1;
  EXPECT_EQ(Encode(ByteBpeEncoder(alphabet, merges), "axxbx"), Ids{300});
  EXPECT_EQ(Encode(ByteBpeEncoder(alphabet, merges), "x"), Ids{});
  alphabet.unknown = 7;
  EXPECT_EQ(Encode(ByteBpeEncoder(alphabet, merges), "xxabx"), (Ids{7, 7, 300, 7}));
  alphabet.fuse_unknown = true;
  EXPECT_EQ(Encode(ByteBpeEncoder(alphabet, merges), "xxabxx"), (Ids{7, 300, 7}));
}

TEST(ByteBpeEncoder, WholePiecesStayWhole) {
  ByteBpeEncoder encoder(AllBytes(), {});
  encoder.SetWholePieces({{"abc", 300}});
  EXPECT_EQ(Encode(encoder, "abc"), Ids{300});
  EXPECT_EQ(Encode(encoder, "abcd"), (Ids{'a', 'b', 'c', 'd'}));
}

// The definition, taken literally: merge the leftmost pair of the lowest rank until there is none.
Ids EncodeSlowly(const std::vector<ByteBpeMerge>& merges, std::string_view piece) {
  Ids ids;
  for (const char c : piece) ids.push_back(static_cast<uint8_t>(c));
  for (bool merged = true; merged;) {
    merged = false;
    for (size_t rank = 0; rank < merges.size() && !merged; ++rank) {
      for (size_t i = 0; i + 1 < ids.size() && !merged; ++i) {
        if (ids[i] != merges[rank].left || ids[i + 1] != merges[rank].right) continue;
        ids[i] = merges[rank].merged;
        ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        merged = true;
      }
    }
  }
  return ids;
}

TEST(ByteBpeEncoder, RandomMergesGiveWhatTheDefinitionGives) {
  std::mt19937 random(17);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::string> tokens = {"a", "b", "c"};
    Ids ids = {'a', 'b', 'c'};
    std::vector<ByteBpeMerge> merges;
    for (int i = 0; i < 20; ++i) {
      const size_t left = random() % tokens.size(), right = random() % tokens.size();
      const std::string joined = tokens[left] + tokens[right];
      const auto known = std::ranges::find(tokens, joined);
      const TokenId id = known == tokens.end() ? 300 + i : ids[known - tokens.begin()];
      const bool repeated = std::ranges::any_of(merges, [&](const ByteBpeMerge& m) { return m.left == ids[left] && m.right == ids[right]; });
      if (repeated || joined.size() > 12) continue;
      merges.push_back({ids[left], ids[right], id});
      if (known == tokens.end()) tokens.push_back(joined), ids.push_back(id);
    }
    const ByteBpeEncoder encoder(AllBytes(), merges);
    std::string piece;
    for (int i = 0; i < 60; ++i) piece += static_cast<char>('a' + random() % 3);
    ASSERT_EQ(Encode(encoder, piece), EncodeSlowly(merges, piece)) << piece;
  }
}

}  // namespace
}  // namespace triptych
