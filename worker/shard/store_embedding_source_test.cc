#include "worker/shard/store_embedding_source.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>

#include "gtest/gtest.h"

namespace triptych::shard {
namespace {

constexpr EmbeddingKey kKey{.digest = {7}};

class StoreEmbeddingSourceTest : public ::testing::Test {
 protected:
  StoreEmbeddingSourceTest() : store_(/*capacity_bytes=*/1 << 20, /*hidden_size=*/4, {}) {
    auto pin = store_.Reserve(kKey, /*rows=*/6);
    EXPECT_TRUE(pin.ok()) << pin.status();
    pin_ = *std::move(pin);
    EXPECT_TRUE(store_.Append(kKey, 0, rows_).ok());
  }

  const at::Tensor rows_ = at::arange(16, at::kFloat).view({4, 4});  // the first 4 of 6
  vision::EmbeddingStore store_;
  vision::EmbeddingStore::Pin pin_;
  StoreEmbeddingSource source_{&store_};
};

TEST_F(StoreEmbeddingSourceTest, GivesRowsThatAreThere) {
  const auto rows = source_.Rows(kKey, 1, 3);
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_TRUE(at::equal(*rows, rows_.narrow(0, 1, 3)));
}

TEST_F(StoreEmbeddingSourceTest, AMissIsAnAnswer) {
  EXPECT_EQ(source_.Rows({.digest = {8}}, 0, 1).status().code(), StatusCode::kNotFound);
  for (const auto& [first, count] : {std::pair{4, 1},
                                     std::pair{3, 2},
                                     std::pair{-1, 2},
                                     std::pair{0, 0x7fffffff},
                                     std::pair{0x7fffffff, 1}}) {
    EXPECT_EQ(source_.Rows(kKey, first, count).status().code(), StatusCode::kNotFound) << first;
  }
}

}  // namespace
}  // namespace triptych::shard
