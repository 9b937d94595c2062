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
  const auto library = LocalLibrary::Open(folder.File("pictures")).value();
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
