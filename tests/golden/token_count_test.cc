// How many rows a picture takes, told from its width and height alone, against the rows that the encoder really makes. Random sizes and
// tile limits for every family that takes pictures; TRIPTYCH_SIZES sets how many of each.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <random>

#include <ATen/Parallel.h>
#include <ATen/ops/zeros.h>

#include "common/model_card/model_card.h"
#include "gtest/gtest.h"
#include "tests/golden/golden_set.h"
#include "worker/vision/registry.h"
#include "worker/weights/weight_loader.h"

namespace triptych::golden {
namespace {

constexpr int32_t kDefaultSizes = 100;

int32_t NumSizes() {
  const char* const text = std::getenv("TRIPTYCH_SIZES");
  return text ? std::atoi(text) : kDefaultSizes;
}

// 1 to `most`, small ones as often as large ones.
int32_t RandomUpTo(std::mt19937& random, double most) {
  return static_cast<int32_t>(std::pow(most + 1, std::uniform_real_distribution<>(0, 1)(random)));
}

// Many small tensors: on several threads torch mostly waits for them.
class TokenCountTest : public testing::TestWithParam<std::string> {
 protected:
  TokenCountTest() { at::set_num_threads(1); }
  ~TokenCountTest() override { at::set_num_threads(threads_); }

 private:
  const int threads_ = at::get_num_threads();
};

TEST_P(TokenCountTest, TheCardTellsTheEncodersRowsFromTheSizeAlone) {
  auto loader = weights::LoadCheckpoint(GetParam());
  ASSERT_TRUE(loader.ok()) << loader.status();
  auto encoder = vision::LoadVisionEncoder(GetParam(), **loader, at::kCPU);
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  auto card = LoadModelCard(GetParam());
  ASSERT_TRUE(card.ok()) << card.status();
  std::mt19937 random(20240806);
  at::Tensor one_tile;  // features of one tile: [1, tokens, width]
  for (int32_t counted = 0; counted < NumSizes();) {
    const ImageSize size{RandomUpTo(random, 2048), RandomUpTo(random, 2048)};
    const int32_t max_tiles = RandomUpTo(random, 41) - 1;
    SCOPED_TRACE(testing::Message() << size.width << " x " << size.height << ", max_tiles " << max_tiles);
    const StatusOr<int32_t> rows = (*card)->ImageRows({.size = size, .max_tiles = max_tiles});
    const StatusOr<int32_t> tiles = (*card)->ImageTiles({.size = size, .max_tiles = max_tiles});
    ASSERT_EQ(rows.ok(), tiles.ok());
    if (!rows.ok()) continue;  // the router refuses it
    const auto image = (*encoder)->Prepare(at::zeros({size.height, size.width, 3}, at::kByte), max_tiles);
    ASSERT_TRUE(image.ok()) << image.status();
    if (!one_tile.defined()) one_tile = (*encoder)->Tower(image->tiles.slice(0, 0, 1));
    const at::Tensor features = at::zeros({image->tiles.size(0), one_tile.size(1), one_tile.size(2)});
    ASSERT_EQ(*rows, (*encoder)->Project(*image, features).size(0));
    ASSERT_EQ(*rows, image->rows);
    ASSERT_EQ(*tiles, image->tiles.size(0));
    ++counted;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All,
    TokenCountTest,
    testing::ValuesIn(GoldenFolders({"InternLMXComposer", "internlmxcomposer2", "llava"})),
    [](const auto& info) {
      std::string name = std::filesystem::path(info.param).filename();
      std::replace_if(name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c); }, '_');
      return name;
    });

}  // namespace
}  // namespace triptych::golden
