#include "worker/process/pin_board.h"

#include <ATen/ops/ones.h>

#include "gtest/gtest.h"

namespace triptych::worker {
namespace {

constexpr TimePoint kStart{};
constexpr std::chrono::seconds kLease{30};

class PinBoardTest : public testing::Test {
 protected:
  // Rows of one picture, pinned; the store holds one picture at a time.
  StatusOr<vision::EmbeddingStore::Pin> Encode(uint8_t name) {
    TRIPTYCH_ASSIGN_OR_RETURN(vision::EmbeddingStore::Pin pin, store_.Reserve(Key(name), 2));
    TRIPTYCH_RETURN_IF_ERROR(store_.Append(Key(name), 0, at::ones({2, 4})));
    return pin;
  }
  static EmbeddingKey Key(uint8_t name) {
    EmbeddingKey key;
    key.digest.fill(name);
    return key;
  }
  bool HasRoom() { return store_.Reserve(Key(99), 2).ok(); }  // only where nothing is pinned

  vision::EmbeddingStore store_{2 * 4 * 4, 4, {}};
  PinBoard board_{kLease};
};

TEST_F(PinBoardTest, KeepsRowsUntilTheirDecoderHasThem) {
  const PinBoard::Place place = board_.Take(Key(1), 7);
  board_.Fill(place, *Encode(1), kStart);
  EXPECT_FALSE(HasRoom());
  board_.Served(Key(1), 8);  // another decoder
  board_.Served(Key(2), 7);  // another picture
  EXPECT_FALSE(HasRoom());
  board_.Served(Key(1), 7);
  EXPECT_TRUE(HasRoom());
}

TEST_F(PinBoardTest, AFetchThatEndsBeforeTheReportLeavesNothingPinned) {
  const PinBoard::Place place = board_.Take(Key(1), 7);
  auto pin = Encode(1);
  board_.Served(Key(1), 7);
  board_.Fill(place, *std::move(pin), kStart);
  EXPECT_EQ(board_.size(), 0u);
}

TEST_F(PinBoardTest, OneFetchServesAllRequestsOfItsDecoder) {
  for (int request = 0; request < 3; ++request) board_.Fill(board_.Take(Key(1), 7), *Encode(1), kStart);
  board_.Fill(board_.Take(Key(1), 8), *Encode(1), kStart);
  board_.Served(Key(1), 7);
  EXPECT_EQ(board_.size(), 1u);
}

TEST_F(PinBoardTest, TheLeaseBeginsWithTheReport) {
  const PinBoard::Place place = board_.Take(Key(1), 7);
  board_.Expire(kStart + 2 * kLease);
  ASSERT_EQ(board_.size(), 1u);
  board_.Fill(place, *Encode(1), kStart + 2 * kLease);
  board_.Expire(kStart + 3 * kLease - std::chrono::milliseconds(1));
  EXPECT_FALSE(HasRoom());
  board_.Expire(kStart + 3 * kLease);
  EXPECT_TRUE(HasRoom());
  EXPECT_EQ(board_.size(), 0u);
}

TEST_F(PinBoardTest, IsQuietOnceNobodyIsLikelyToCome) {
  EXPECT_TRUE(board_.quiet(kStart));
  const PinBoard::Place place = board_.Take(Key(1), 7);
  EXPECT_FALSE(board_.quiet(kStart + kLease));
  board_.Fill(place, *Encode(1), kStart);
  EXPECT_FALSE(board_.quiet(kStart + std::chrono::milliseconds(500)));
  EXPECT_TRUE(board_.quiet(kStart + std::chrono::milliseconds(1500)));
  board_.GiveUp(board_.Take(Key(2), 7));
  EXPECT_EQ(board_.size(), 1u);
}

}  // namespace
}  // namespace triptych::worker
