#include "router/picture_page.h"

#include "common/hash/sha256.h"
#include "gtest/gtest.h"
#include "router/prepared_prompt.h"
#include "tests/fakes/tiny_bmp.h"

namespace triptych::router {
namespace {

TEST(PicturePageTest, GivesATenantItsOwnPictures) {
  ImageStore images(1 << 20);
  const StoredImage image = ReadImage(fakes::TinyBmp(1), RequestLimits{}).value();
  images.Put("me", image);
  const std::string digest = ToHex(image.digest);
  const auto reply = [&](const std::string& rest, const std::string& tenant) {
    return PictureReply(images, {.rest = rest, .tenant = tenant});
  };
  ASSERT_TRUE(reply(digest, "me").ok());
  EXPECT_EQ(reply(digest, "me")->content_type, "image/bmp");
  EXPECT_EQ(reply(digest, "me")->body, fakes::TinyBmp(1));
  EXPECT_EQ(reply(digest, "you").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(PictureReply(images, {.rest = digest}).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(reply("../config", "me").status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace triptych::router
