#include "router/image_store.h"

#include "gtest/gtest.h"

namespace triptych::router {
namespace {

Sha256Digest Digest(uint8_t i) {
  Sha256Digest digest{};
  digest[0] = i;
  return digest;
}

StoredImage Image(uint8_t i, size_t bytes) {
  return {.digest = Digest(i), .header = {}, .file = std::make_shared<const std::string>(bytes, static_cast<char>(i))};
}

TEST(ImageStoreTest, FindsWhatWasPutForTheSameTenantOnly) {
  ImageStore store(100);
  store.Put("a", Image(1, 10));
  ASSERT_TRUE(store.Find("a", Digest(1)));
  EXPECT_EQ(*store.Find("a", Digest(1))->file, std::string(10, '\1'));
  EXPECT_FALSE(store.Find("b", Digest(1)));
  EXPECT_FALSE(store.Find("a", Digest(2)));
}

TEST(ImageStoreTest, ThePictureUsedLeastRecentlyGoesFirst) {
  ImageStore store(30);
  for (uint8_t i = 1; i <= 3; ++i) store.Put("a", Image(i, 10));
  EXPECT_TRUE(store.Find("a", Digest(1)));  // used: 2 is the oldest now
  store.Put("a", Image(4, 10));
  EXPECT_FALSE(store.Find("a", Digest(2)));
  for (const uint8_t i : {1, 3, 4}) EXPECT_TRUE(store.Find("a", Digest(i))) << int{i};
  EXPECT_EQ(store.bytes(), 30);
}

TEST(ImageStoreTest, ALargePictureDrivesOutAsManyAsItNeeds) {
  ImageStore store(30);
  for (uint8_t i = 1; i <= 3; ++i) store.Put("a", Image(i, 10));
  store.Put("a", Image(4, 15));
  EXPECT_FALSE(store.Find("a", Digest(1)));
  EXPECT_FALSE(store.Find("a", Digest(2)));
  EXPECT_TRUE(store.Find("a", Digest(3)));
  EXPECT_EQ(store.bytes(), 25);
}

TEST(ImageStoreTest, APictureLargerThanTheStoreIsNotKeptAndHarmsNobody) {
  ImageStore store(30);
  store.Put("a", Image(1, 10));
  store.Put("a", Image(2, 31));
  EXPECT_TRUE(store.Find("a", Digest(1)));
  EXPECT_FALSE(store.Find("a", Digest(2)));
  EXPECT_EQ(store.bytes(), 10);
}

TEST(ImageStoreTest, PuttingAPictureAgainCountsItOnceAndMakesItRecent) {
  ImageStore store(20);
  store.Put("a", Image(1, 10));
  store.Put("a", Image(2, 10));
  store.Put("a", Image(1, 10));
  EXPECT_EQ(store.bytes(), 20);
  store.Put("a", Image(3, 10));
  EXPECT_TRUE(store.Find("a", Digest(1)));
  EXPECT_FALSE(store.Find("a", Digest(2)));
}

TEST(ImageStoreTest, AFileThatWasFoundOutlivesItsPlaceInTheStore) {
  ImageStore store(10);
  store.Put("a", Image(1, 10));
  const auto found = store.Find("a", Digest(1));
  store.Put("a", Image(2, 10));
  EXPECT_FALSE(store.Find("a", Digest(1)));
  EXPECT_EQ(found->file->size(), 10u);
}

}  // namespace
}  // namespace triptych::router
