#include "router/compose/local_library.h"

#include "common/status_reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/run_task.h"
#include "tests/fakes/temporary_folder.h"

namespace triptych::router {
namespace {

using testing::HasSubstr;
using Found = StatusOr<std::vector<LibraryPicture>>;

TEST(LocalLibraryTest, GivesFilesWithTheirWords) {
  const fakes::TemporaryFolder folder;
  const auto index =
      PictureIndex::Open(folder.File("pictures"), PictureIndex::Access::kWrite).value();
  ASSERT_TRUE(
      index
          ->Add("cat's file",
                {.extension = "png", .caption = "a cat", .licence = "CC0", .source = "here"})
          .ok());
  ASSERT_TRUE(index->Add("dog's file", {.extension = "png", .caption = "a dog"}).ok());
  const auto library = LocalLibrary::Open(folder.File("pictures"), nullptr).value();
  const auto search = [&](PictureQuery query) {
    return fakes::RunTask<Found>(library->Search(std::move(query))).value();
  };
  const std::vector<LibraryPicture> found = search({.caption = "the cat", .count = 4});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(*found[0].file, "cat's file");
  EXPECT_EQ(found[0].description, "a cat");
  EXPECT_EQ(found[0].licence, "CC0");
  EXPECT_EQ(found[0].source, "here");
  EXPECT_TRUE(
      search({.caption = "the cat", .exclude = {found[0].id, "no number"}, .count = 4}).empty());
}

// A library of three pictures, whose vectors are by a model "m"; and what a search asks of it.
class LocalLibraryVectorsTest : public testing::Test {
 protected:
  void SetUp() override {
    index_ = PictureIndex::Open(folder_.File("pictures"), PictureIndex::Access::kWrite).value();
    for (const char* caption : {"a car", "automobile", "honeybee"})
      ASSERT_TRUE(index_->Add(caption, {.extension = "png", .caption = caption}).ok());
    library_ = LocalLibrary::Open(folder_.File("pictures"), [this](std::string model, std::string text, TimePoint) {
                 asked_.push_back(model + ":" + text);
                 return Answer(answer_);
               }).value();
  }
  void PutVectors() {
    ASSERT_TRUE(index_->PutVectors(index_->List().value(), {{"s", {1, 1}}, {"s", {0, 1}}, {"s", {1, 0}}}).ok());
  }
  std::vector<std::string> Search(const std::string& caption) {
    std::vector<std::string> found;
    const PictureQuery query{.caption = caption, .model = "m", .count = 2};
    const std::vector<LibraryPicture> pictures =
        fakes::RunTask<Found>(library_->Search(query)).value();
    for (const LibraryPicture& picture : pictures) found.push_back(picture.description);
    return found;
  }
  static Task<StatusOr<TextVector>> Answer(StatusOr<TextVector> answer) { co_return answer; }

  const fakes::TemporaryFolder folder_;
  std::unique_ptr<PictureIndex> index_;
  std::unique_ptr<LocalLibrary> library_;
  StatusOr<TextVector> answer_ = TextVector{"s", {0, 1}};
  std::vector<std::string> asked_;
};

TEST_F(LocalLibraryVectorsTest, FindsByVectorsOfTheArticlesModelToo) {
  PutVectors();
  EXPECT_THAT(Search("The vehicle"), testing::ElementsAre("automobile", "a car"));
  EXPECT_THAT(Search("car"), testing::ElementsAre("a car", "automobile"));
  EXPECT_THAT(asked_, testing::ElementsAre("m: vehicle", "m: car"));
}

TEST_F(LocalLibraryVectorsTest, WithoutVectorsNobodyIsAsked) {
  EXPECT_THAT(Search("car"), testing::ElementsAre("a car"));
  EXPECT_THAT(Search("vehicle"), testing::IsEmpty());
  EXPECT_THAT(asked_, testing::IsEmpty());
  PutVectors();  // while it is used
  EXPECT_THAT(Search("vehicle"), testing::ElementsAre("automobile", "a car"));
  EXPECT_THAT(Search("..."), testing::IsEmpty());
}

TEST_F(LocalLibraryVectorsTest, WordsDoWhereVectorsCannot) {
  PutVectors();
  answer_ = Unavailable("no decoder is ready");
  EXPECT_THAT(Search("car"), testing::ElementsAre("a car"));
  answer_ = TextVector{"of another model", {1, 2, 3}};
  EXPECT_THAT(Search("car"), testing::ElementsAre("a car"));
  answer_ = TextVector{"s", {1, 2, 3}};  // as if the stored ones were damaged
  EXPECT_THAT(Search("car"), testing::ElementsAre("a car"));
}

class NoLibrary final : public PictureLibrary {
 public:
  Task<Found> Search(PictureQuery) override { co_return std::vector<LibraryPicture>(); }
};

TEST(LibraryCatalogTest, FindsByNameAndTheFirstWithout) {
  LibraryCatalog catalog;
  EXPECT_EQ(catalog.Find("").value(), nullptr);
  EXPECT_EQ(ReasonOf(catalog.Find("a").status()), "LIBRARY_UNKNOWN");
  catalog.Add("a", std::make_unique<NoLibrary>());
  catalog.Add("b", std::make_unique<NoLibrary>());
  EXPECT_EQ(catalog.Find("").value(), catalog.Find("a").value());
  EXPECT_NE(catalog.Find("b").value(), catalog.Find("a").value());
  EXPECT_THAT(std::string(Message(catalog.Find("c").status())), HasSubstr("a, b"));
}

}  // namespace
}  // namespace triptych::router
