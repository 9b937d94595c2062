#include <random>

#include "common/hash/block_hash.h"
#include "common/hash/sha256.h"
#include "gtest/gtest.h"

namespace triptych {
namespace {

std::span<const uint8_t> AsBytes(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

TEST(Sha256, KnownAnswers) {  // FIPS 180-2
  EXPECT_EQ(ToHex(Sha256(AsBytes("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(ToHex(Sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Sha256, HexReadsBackAndRefusesTheRest) {
  const Sha256Digest digest = Sha256(AsBytes("x"));
  EXPECT_EQ(Sha256FromHex(ToHex(digest)), digest);
  EXPECT_FALSE(Sha256FromHex(""));
  EXPECT_FALSE(Sha256FromHex(std::string(63, 'a')));
  EXPECT_FALSE(Sha256FromHex(std::string(64, 'g')));
  EXPECT_FALSE(Sha256FromHex("../" + std::string(61, 'a')));
  EXPECT_FALSE(Sha256FromHex(std::string(62, 'a') + "-1"));
}

TEST(FieldHasher, BordersBetweenFieldsCount) {
  EXPECT_NE(FieldHasher("d").Text("ab").Text("c").Finish(), FieldHasher("d").Text("a").Text("bc").Finish());
  EXPECT_NE(FieldHasher("d").Text("").Finish(), FieldHasher("d").Finish());
  EXPECT_NE(FieldHasher("d").Number(1).Finish(), FieldHasher("e").Number(1).Finish());
}

TEST(EmbeddingKey, EveryFieldCounts) {
  const Sha256Digest card = Sha256(AsBytes("card")), image = Sha256(AsBytes("image"));
  const EmbeddingKey key = MakeEmbeddingKey("tenant", card, image, 0);
  EXPECT_EQ(MakeEmbeddingKey("tenant", card, image, 0), key);
  EXPECT_NE(MakeEmbeddingKey("other", card, image, 0), key);
  EXPECT_NE(MakeEmbeddingKey("tenant", image, image, 0), key);
  EXPECT_NE(MakeEmbeddingKey("tenant", card, card, 0), key);
  EXPECT_NE(MakeEmbeddingKey("tenant", card, image, 1), key);
}

std::vector<TokenId> Ids(int n) {
  std::mt19937 random(3);
  std::vector<TokenId> ids(n);
  for (TokenId& id : ids) id = static_cast<TokenId>(random() % 1000);
  return ids;
}

KeyedSpan Image(int32_t start, int32_t rows, uint8_t name) {
  KeyedSpan span{start, rows, {}};
  span.key.digest[0] = name;
  return span;
}

TEST(BlockHash, OnlyFullBlocksAndPrefixesAgree) {
  const std::vector<TokenId> ids = Ids(100);
  const auto all = BlockHashes("s", ids, {});
  EXPECT_EQ(all.size(), 6u);
  const auto part = BlockHashes("s", std::span(ids).first(50), {});
  EXPECT_TRUE(std::equal(part.begin(), part.end(), all.begin()));
  EXPECT_TRUE(BlockHashes("s", std::span(ids).first(15), {}).empty());
}

TEST(BlockHash, AChangeShowsFromItsBlockOn) {
  std::vector<TokenId> ids = Ids(96);
  const auto before = BlockHashes("s", ids, {});
  ids[40] += 1;
  const auto after = BlockHashes("s", ids, {});
  for (size_t i = 0; i < before.size(); ++i) EXPECT_EQ(before[i] == after[i], i < 2) << i;
  EXPECT_NE(BlockHashes("t", ids, {})[0], after[0]);
}

TEST(BlockHash, APicturesKeyCountsWhereItStarts) {
  std::vector<TokenId> ids = Ids(96);
  for (int i = 20; i < 70; ++i) ids[i] = kImageRow;
  const std::vector<KeyedSpan> one = {Image(20, 50, 1)}, other = {Image(20, 50, 2)};
  const auto a = BlockHashes("s", ids, one), b = BlockHashes("s", ids, other);
  EXPECT_EQ(a[0], b[0]);
  for (size_t i = 1; i < a.size(); ++i) EXPECT_NE(a[i], b[i]);
  const std::vector<KeyedSpan> split = {Image(20, 25, 1), Image(45, 25, 1)};
  EXPECT_NE(BlockHashes("s", ids, split)[1], a[1]);
}

TEST(BlockHash, StepByStepIsTheSameChain) {
  const std::vector<TokenId> ids = Ids(64);
  uint64_t link = FirstLink("s");
  const auto all = BlockHashes("s", ids, {});
  for (int i = 0; i < 4; ++i) {
    link = NextBlockHash(link, std::span(ids).subspan(i * 16, 16), i * 16, {});
    EXPECT_EQ(link, all[i]);
  }
}

}  // namespace
}  // namespace triptych
