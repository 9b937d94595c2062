#include "router/fetch/picture_fetcher.h"

#include <deque>

#include "common/status_reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/http_stand_in.h"
#include "tests/fakes/run_task.h"

namespace triptych::router {
namespace {

using testing::HasSubstr;

class PictureFetcherTest : public testing::Test {
 protected:
  PictureFetcher::Options options() const {
    return {.hosts = {"127.0.0.1"},
            .private_addresses = true,
            .max_image_bytes = 1000,
            .only_https = false};
  }
  // Of pictures at these URLs.
  Status Fetch(const PictureFetcher::Options& options, const std::vector<std::string>& urls) {
    images_.clear();
    std::vector<v1::Image*> images;
    for (const std::string& url : urls) {
      images_.emplace_back().set_url(url);
      images.push_back(&images_.back());
    }
    PictureFetcher fetcher(options);
    return fakes::RunTask<Status>(
        PictureFetcher::Fetch(&fetcher, images, "images", TimePoint::max()));
  }
  Status Fetch(const std::string& path) { return Fetch(options(), {server_.url() + path}); }

  fakes::HttpStandIn server_;
  std::deque<v1::Image> images_;
};

TEST_F(PictureFetcherTest, PutsFilesWhereTheUrlsAre) {
  server_.Answer("/a.png", {.body = "A"});
  server_.Answer("/b.png", {.body = "B"});
  ASSERT_TRUE(Fetch(options(), {server_.url() + "/a.png", server_.url() + "/b.png"}).ok());
  EXPECT_EQ(images_[0].data(), "A");
  EXPECT_EQ(images_[1].data(), "B");
}

TEST_F(PictureFetcherTest, PicturesWithoutAUrlStayAsTheyAre) {
  PictureFetcher fetcher({});
  v1::Image image;
  image.set_data("x");
  EXPECT_TRUE(fakes::RunTask<Status>(
                  PictureFetcher::Fetch(&fetcher, {&image}, "images", TimePoint::max()))
                  .ok());
  EXPECT_EQ(image.data(), "x");
}

TEST_F(PictureFetcherTest, WhatIsNotAllowedIsNotAskedFor) {
  server_.Answer("/a.png", {.body = "A"});
  PictureFetcher::Options none = options(), another = options(), https = options();
  none.hosts.clear();
  another.hosts = {"pictures.example.org"};
  https.only_https = true;
  for (const auto& [allowed, why] : {std::pair(none, "fetches no pictures"),
                                     std::pair(another, "from pictures.example.org, not from"),
                                     std::pair(https, "https only")}) {
    const Status status = Fetch(allowed, {server_.url() + "/a.png"});
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(ReasonOf(status), "URL_NOT_ALLOWED");
    EXPECT_EQ(FieldOf(status), "images[0]");
    EXPECT_THAT(std::string(Message(status)), HasSubstr(why));
  }
  PictureFetcher::Options only_public = options();
  only_public.private_addresses = false;
  const Status status = Fetch(only_public, {server_.url() + "/a.png"});
  EXPECT_EQ(ReasonOf(status), "URL_FETCH");
  EXPECT_THAT(std::string(Message(status)), HasSubstr("public internet"));
  EXPECT_TRUE(server_.requests().empty());
}

TEST_F(PictureFetcherTest, RedirectsAreHeldToTheSame) {
  server_.Answer("/a.png", {.body = "A"});
  server_.Answer("/moved", {.status = 302, .headers = "Location: /a.png\r\n"});
  server_.Answer("/absolute",
                 {.status = 308, .headers = "Location: " + server_.url() + "/moved\r\n"});
  ASSERT_TRUE(Fetch("/absolute").ok());
  EXPECT_EQ(images_[0].data(), "A");
  for (const char* elsewhere : {"http://localhost/x", "//localhost/x", "file:///etc/passwd", ""}) {
    server_.Answer("/away",
                   {.status = 302, .headers = fmt::format("Location: {}\r\n", elsewhere)});
    EXPECT_EQ(ReasonOf(Fetch("/away")), "URL_NOT_ALLOWED") << elsewhere;
  }
  server_.Answer("/round", {.status = 302, .headers = "Location: /round\r\n"});
  EXPECT_EQ(ReasonOf(Fetch("/round")), "URL_FETCH");
}

TEST_F(PictureFetcherTest, WhatCannotBeHadIsAnErrorThatNamesThePicture) {
  server_.Answer("/a.png", {.body = "A"});
  server_.Answer("/long", {.body = std::string(1001, 'x')});
  server_.Answer("/silent", {.silent = true});
  PictureFetcher::Options hasty = options();
  hasty.patience = std::chrono::milliseconds(200);
  for (const char* path : {"/long", "/silent", "/missing"}) {
    const Status status = Fetch(hasty, {server_.url() + "/a.png", server_.url() + path});
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << path;
    EXPECT_EQ(ReasonOf(status), "URL_FETCH") << path;
    EXPECT_EQ(FieldOf(status), "images[1]") << path;
  }
}

TEST(ImagesOfTest, GivesAPromptsPicturesInOrder) {
  v1::Prompt prompt;
  v1::Message* message = prompt.mutable_conversation()->add_messages();
  message->add_parts()->mutable_image()->set_url("a");
  message->add_parts()->set_text("and");
  prompt.mutable_conversation()->add_messages()->add_parts()->mutable_image()->set_url("b");
  ASSERT_EQ(ImagesOf(&prompt).size(), 2u);
  EXPECT_EQ(ImagesOf(&prompt)[1]->url(), "b");
  prompt.mutable_raw()->add_parts()->mutable_image()->set_url("c");
  EXPECT_EQ(ImagesOf(&prompt).front()->url(), "c");
  prompt.mutable_tokens()->add_images()->mutable_image()->set_url("d");
  EXPECT_EQ(ImagesOf(&prompt).front()->url(), "d");
  prompt.Clear();
  EXPECT_TRUE(ImagesOf(&prompt).empty());
}

}  // namespace
}  // namespace triptych::router
