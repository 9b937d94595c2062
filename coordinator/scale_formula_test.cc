#include "coordinator/scale_formula.h"

#include <vector>

#include "gtest/gtest.h"

namespace triptych::coordinator {
namespace {

TEST(EncodersWorthTest, NobodyKnowsWithoutEncoders) { EXPECT_FALSE(EncodersWorth({}, 1)); }

TEST(EncodersWorthTest, IdleEncodersAreWorthNothing) {
  EXPECT_EQ(EncodersWorth(std::vector<EncoderWork>{{0, 20, 0}, {0, 20, 0}}, 1), 0);
}

TEST(EncodersWorthTest, ArrivingTilesAreTheBusyShare) {
  EXPECT_DOUBLE_EQ(*EncodersWorth(std::vector<EncoderWork>{{0.5, 20, 0}, {0.75, 20, 0}}, 1), 1.25);
}

TEST(EncodersWorthTest, ABacklogOfTenBusySecondsIsOneMore) {
  EXPECT_DOUBLE_EQ(*EncodersWorth(std::vector<EncoderWork>{{1, 20, 200}}, 1), 2);
}

TEST(EncodersWorthTest, TilesThatAFullDecoderKeepsWaitingDoNotCount) {
  EXPECT_DOUBLE_EQ(*EncodersWorth(std::vector<EncoderWork>{{1, 20, 200}}, 0.25), 1.25);
  EXPECT_DOUBLE_EQ(*EncodersWorth(std::vector<EncoderWork>{{1, 20, 200}}, 0), 1);
  EXPECT_DOUBLE_EQ(*EncodersWorth(std::vector<EncoderWork>{{1, 20, 200}}, 7), 2)
      << "a share is at most 1";
}

TEST(EncodersWorthTest, AFastEncoderCountsForMore) {
  // 30 tiles per second arrive at one that runs 30; the mean encoder runs 20.
  EXPECT_DOUBLE_EQ(*EncodersWorth(std::vector<EncoderWork>{{1, 30, 0}, {0, 10, 0}}, 1), 1.5);
}

TEST(EncodersWorthTest, WhoseRateIsNotLearnedIsTakenForTheMean) {
  EXPECT_DOUBLE_EQ(*EncodersWorth(std::vector<EncoderWork>{{0.5, 20, 0}, {1, 0, 100}}, 1), 2);
  EXPECT_DOUBLE_EQ(*EncodersWorth(std::vector<EncoderWork>{{0.5, 0, 0}, {1, 0, 100}}, 1), 1.5)
      << "none is learned";
}

TEST(EncodersWorthTest, TheSumDoesNotHangOnTheNumberOfWorkers) {
  const double two = *EncodersWorth(std::vector<EncoderWork>{{1, 20, 100}, {1, 20, 100}}, 1);
  const double four = *EncodersWorth(
      std::vector<EncoderWork>{{0.5, 20, 50}, {0.5, 20, 50}, {0.5, 20, 50}, {0.5, 20, 50}}, 1);
  EXPECT_DOUBLE_EQ(two, four);
}

TEST(DecodersWorthTest, NobodyKnowsWithoutDecoders) { EXPECT_FALSE(DecodersWorth({}, 0)); }

TEST(DecodersWorthTest, TheScarcestCounts) {
  const DecoderWork sequences{
      .sequences = 48, .max_sequences = 64, .used_blocks = 100, .num_blocks = 1000};
  EXPECT_DOUBLE_EQ(*DecodersWorth(std::vector{sequences}, 0), 0.75);
  const DecoderWork blocks{
      .sequences = 8, .max_sequences = 64, .used_blocks = 900, .num_blocks = 1000};
  EXPECT_DOUBLE_EQ(*DecodersWorth(std::vector{blocks}, 0), 0.9);
  const DecoderWork tokens{.sequences = 8,
                           .max_sequences = 64,
                           .num_blocks = 1000,
                           .tokens_per_second = 450,
                           .full_tokens_per_second = 500};
  EXPECT_DOUBLE_EQ(*DecodersWorth(std::vector{tokens}, 0), 0.9);
  EXPECT_DOUBLE_EQ(*DecodersWorth(std::vector{sequences, blocks}, 0), 1)
      << "1000 of 1000 blocks of a mean decoder";
}

TEST(DecodersWorthTest, WaitingSequencesAskForMoreThanThereIs) {
  const DecoderWork full{
      .sequences = 160, .max_sequences = 64, .used_blocks = 1000, .num_blocks = 1000};
  EXPECT_DOUBLE_EQ(*DecodersWorth(std::vector{full}, 0), 2.5);
}

TEST(DecodersWorthTest, SequencesWhosePicturesAreAtEncodersDoNotCount) {
  const DecoderWork decoder{
      .sequences = 160, .waiting = 96, .max_sequences = 64, .num_blocks = 1000};
  EXPECT_DOUBLE_EQ(*DecodersWorth(std::vector{decoder}, 32), 2);
  EXPECT_DOUBLE_EQ(*DecodersWorth(std::vector{decoder}, 96), 1);
  EXPECT_DOUBLE_EQ(*DecodersWorth(std::vector{decoder}, 500), 1) << "those that run have theirs";
}

TEST(DecodersWorthTest, ARateThatIsNotLearnedSaysNothing) {
  const DecoderWork decoder{
      .sequences = 16, .max_sequences = 64, .num_blocks = 1000, .tokens_per_second = 450};
  EXPECT_DOUBLE_EQ(*DecodersWorth(std::vector{decoder}, 0), 0.25);
}

}  // namespace
}  // namespace triptych::coordinator
