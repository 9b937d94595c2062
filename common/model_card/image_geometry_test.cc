#include "common/model_card/image_geometry.h"

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace triptych {
namespace {

constexpr TilingRule k4khd{.side = 336, .enlarges = true, .centers = true};
constexpr TilingRule k2d5{.side = 560};

TEST(TilePicture, AgreesWithTheReferenceEverywhere) {
  std::ifstream file(std::string(TRIPTYCH_TEST_DATA) + "/golden/tiling/tiling.json");
  const nlohmann::json rows = nlohmann::json::parse(file);
  ASSERT_EQ(rows.size(), 352u);
  for (const nlohmann::json& row : rows) {
    const TilingRule& rule = row["family"] == "4khd" ? k4khd : k2d5;
    const auto tiling = TilePicture(rule, {row["w"], row["h"]}, row["hd_num"]);
    ASSERT_TRUE(tiling.ok()) << row << tiling.status();
    EXPECT_EQ(tiling->canvas(), (ImageSize{row["out_w"], row["out_h"]})) << row;
    EXPECT_EQ(tiling->rows, row["tiles_h"]) << row;
    EXPECT_EQ(tiling->columns, row["tiles_w"]) << row;
    const std::vector<int32_t> box = {tiling->left, tiling->top, tiling->left + tiling->content.width, tiling->top + tiling->content.height};
    EXPECT_EQ(box, row["content_box_xyxy"].get<std::vector<int32_t>>()) << row;
    EXPECT_EQ(TiledRows(*tiling, rule.side / 28), row["tokens"].get<int64_t>()) << row;
  }
}

// The canvas holds the content and is no tile larger than it needs to be; tiles stay within the limit where the shorter side has room.
TEST(TilePicture, EverySizeFitsItsCanvas) {
  for (const TilingRule& rule : {k4khd, k2d5}) {
    for (const int32_t longer : {1, 2, 3, 27, 335, 336, 337, 559, 560, 561, 1000, 4096, 16384}) {
      for (int32_t shorter = 1; shorter <= longer; shorter += 1 + shorter / 3) {
        for (const int32_t max_tiles : {1, 2, 3, 6, 24, 25, 55, kMaxTiles}) {
          const auto wide = TilePicture(rule, {longer, shorter}, max_tiles);
          const auto tall = TilePicture(rule, {shorter, longer}, max_tiles);
          ASSERT_EQ(wide.ok(), tall.ok());
          if (!wide.ok()) continue;
          EXPECT_LE(wide->tiles(), max_tiles);
          EXPECT_LE(wide->top + wide->content.height, wide->canvas().height);
          EXPECT_LT(wide->canvas().height - wide->content.height, rule.side);
          EXPECT_EQ(wide->content.width, wide->canvas().width);
          EXPECT_EQ(wide->tiles(), tall->tiles());
          EXPECT_EQ(tall->transposed, longer != shorter);
          EXPECT_EQ(longer == shorter ? wide->left : tall->left, longer == shorter ? 0 : wide->top);
        }
      }
    }
  }
}

TEST(TilePicture, OnePixelIsAPicture) {
  const auto enlarged = TilePicture(k4khd, {1, 1}, 25);
  EXPECT_EQ(enlarged->tiles(), 25);
  EXPECT_EQ(enlarged->content, (ImageSize{1680, 1680}));
  EXPECT_EQ(TilePicture(k2d5, {1, 1}, 24)->content, (ImageSize{560, 560}));
}

TEST(TilePicture, WhatHasNoTilingIsRefusedByName) {
  const auto message = [](const StatusOr<Tiling>& tiling) { return std::string(Message(tiling.status())); };
  EXPECT_THAT(message(TilePicture(k4khd, {10, 10}, 0)), testing::HasSubstr("max_tiles is 0, allowed are 1 to 128"));
  EXPECT_THAT(message(TilePicture(k4khd, {10, 10}, kMaxTiles + 1)), testing::HasSubstr("max_tiles is 129"));
  EXPECT_THAT(message(TilePicture(k4khd, {10, 0}, 1)), testing::HasSubstr("10 x 0"));
  EXPECT_THAT(message(TilePicture(k4khd, {337, 1}, 1)), testing::HasSubstr("at most 336 times"));
  EXPECT_TRUE(TilePicture(k4khd, {336, 1}, 1).ok());
  EXPECT_TRUE(TilePicture(k2d5, {1, 2000}, 24).ok());
}

}  // namespace
}  // namespace triptych
