#include "router/picture_page.h"

#include "common/hash/sha256.h"
#include "gtest/gtest.h"
#include "router/prepared_prompt.h"
#include "router/tenant.h"
#include "tests/fakes/tiny_bmp.h"

namespace triptych::router {
namespace {

TEST(PicturePageTest, GivesATenantItsOwnPictures) {
  ImageStore images(1 << 20);
  const StoredImage image = ReadImage(fakes::TinyBmp(1), RequestLimits{}).value();
  images.Put(TenantOf("me"), image);
  const std::string digest = ToHex(image.digest);
  const HttpExposer::Reply mine = PictureReply(images, {.rest = digest, .authorization = "me"});
  EXPECT_EQ(mine.status, 200);
  EXPECT_EQ(mine.content_type, "image/bmp");
  EXPECT_EQ(mine.body, fakes::TinyBmp(1));
  EXPECT_EQ(PictureReply(images, {.rest = digest, .authorization = "you"}).status, 404);
  EXPECT_EQ(PictureReply(images, {.rest = digest}).status, 404);
  EXPECT_EQ(PictureReply(images, {.rest = "../config", .authorization = "me"}).status, 404);
}

}  // namespace
}  // namespace triptych::router
