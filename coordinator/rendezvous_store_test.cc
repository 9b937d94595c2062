#include "coordinator/rendezvous_store.h"

#include "gtest/gtest.h"

namespace triptych::coordinator {
namespace {

TEST(RendezvousStoreTest, AValueIsFoundUnderItsGroupAndKeyOnly) {
  RendezvousStore store;
  ASSERT_TRUE(store.Put("g", "rank0", "address").ok());
  EXPECT_EQ(store.Get("g", "rank0"), "address");
  EXPECT_FALSE(store.Get("g", "rank1"));
  EXPECT_FALSE(store.Get("h", "rank0"));
}

TEST(RendezvousStoreTest, TheLatestValueCounts) {
  RendezvousStore store;
  ASSERT_TRUE(store.Put("g", "k", "old").ok());
  ASSERT_TRUE(store.Put("g", "k", "").ok());
  EXPECT_EQ(store.Get("g", "k"), "");
}

TEST(RendezvousStoreTest, RefusesWhatIsEmptyOrTooLarge) {
  RendezvousStore store;
  const auto refused = [&](const std::string& group, const std::string& key, size_t bytes) {
    return store.Put(group, key, std::string(bytes, 'v')).code() == StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused("", "k", 1));
  EXPECT_TRUE(refused("g", "", 1));
  EXPECT_TRUE(refused("g", std::string(257, 'k'), 1));
  EXPECT_TRUE(refused("g", "k", RendezvousStore::kMaxValueBytes + 1));
  EXPECT_FALSE(refused("g", std::string(256, 'k'), RendezvousStore::kMaxValueBytes));
}

TEST(RendezvousStoreTest, AGroupThatIsFullRefusesNewKeysButTakesNewValues) {
  RendezvousStore store;
  for (size_t i = 0; i < RendezvousStore::kMaxKeys; ++i) ASSERT_TRUE(store.Put("g", std::to_string(i), "v").ok());
  EXPECT_EQ(store.Put("g", "one more", "v").code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(store.Put("g", "7", "w").ok());
  EXPECT_TRUE(store.Put("another group", "k", "v").ok());
}

TEST(RendezvousStoreTest, ValuesGoWithTheirGroup) {
  RendezvousStore store;
  ASSERT_TRUE(store.Put("alive", "k", "v").ok());
  ASSERT_TRUE(store.Put("gone", "k", "v").ok());
  store.Collect([](const std::string& group_id) { return group_id == "alive"; });
  EXPECT_TRUE(store.Get("alive", "k"));
  EXPECT_FALSE(store.Get("gone", "k"));
}

}  // namespace
}  // namespace triptych::coordinator
