#include "router/compose/remote_library.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/http_stand_in.h"
#include "tests/fakes/run_task.h"

namespace triptych::router {
namespace {

using testing::HasSubstr;
using Found = StatusOr<std::vector<LibraryPicture>>;

TEST(RemoteContractTest, AQueryIsThePublishedOne) {
  EXPECT_EQ(MakeRemoteQuery({.caption = " 一只猫 ", .exclude = {"12", "\"x\"", "broken{"}}),
            R"({"caption":"一只猫","exclude":["x",12],"need_idxs":true})");
  std::string longest;
  for (int i = 0; i < 60; ++i) longest += "猫";
  EXPECT_THAT(MakeRemoteQuery({.caption = longest}),
              HasSubstr("\"" + longest.substr(0, 53 * 3) + "\""));
}

TEST(RemoteContractTest, AnAnswerIsReadOrRefused) {
  const auto read =
      ParseRemoteAnswer(
          R"({"data": {"image_urls": ["http://a/1", "http://a/2"], "indices": [7, "8"]}})")
          .value();
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[1].url, "http://a/2");
  EXPECT_EQ(read[0].index, "7");
  EXPECT_EQ(read[1].index, "\"8\"");
  EXPECT_TRUE(ParseRemoteAnswer(R"({"data": {}})").value().empty());
  for (const char* wrong : {"",
                            "[]",
                            "{}",
                            "{\"data\": 3}",
                            R"({"data": {"image_urls": [1], "indices": [1]}})",
                            R"({"data": {"image_urls": ["a"]}})"}) {
    EXPECT_EQ(ParseRemoteAnswer(wrong).status().code(), StatusCode::kUnavailable) << wrong;
  }
}

class RemoteLibraryTest : public testing::Test {
 protected:
  Found Search(PictureQuery query) {
    const auto library = RemoteLibrary::Make({.url = service_.url() + "/image/similar",
                                              .max_image_bytes = 100,
                                              .patience = std::chrono::seconds(30)})
                             .value();
    return fakes::RunTask<Found>(library->Search(std::move(query)));
  }
  fakes::HttpStandIn service_;
};

TEST_F(RemoteLibraryTest, FetchesWhatTheServiceOffersFromAllowedHostsAlone) {
  const std::string own = service_.url();
  service_.Answer(
      "/image/similar",
      {.body = fmt::format(
           R"({{"data": {{"image_urls": ["{0}/a", "http://elsewhere.example/b", "{0}/none", "{0}/c", "{0}/d"],
                                                             "indices": [1, 2, 3, 4, 5]}}}})",
           own)});
  for (const char* path : {"/a", "/c", "/d"}) service_.Answer(path, {.body = path});
  const std::vector<LibraryPicture> found =
      Search({.caption = "cat", .exclude = {"9"}, .count = 2}).value();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(*found[0].file, "/a");
  EXPECT_EQ(found[0].id, "1");
  EXPECT_EQ(found[0].source, own + "/a");
  EXPECT_EQ(*found[1].file, "/c");
  EXPECT_THAT(service_.requests().front(),
              HasSubstr(R"({"caption":"cat","exclude":[9],"need_idxs":true})"));
}

TEST_F(RemoteLibraryTest, AServiceThatFailsIsAnError) {
  service_.Answer("/image/similar", {.status = 500});
  EXPECT_EQ(Search({.caption = "cat", .count = 4}).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(RemoteLibrary::Make({.url = "ftp://x"}).status().code(),
            StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace triptych::router
