#include "common/picture_index/picture_index.h"

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/temporary_folder.h"

namespace triptych {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class PictureIndexTest : public testing::Test {
 protected:
  void SetUp() override {
    index_ = PictureIndex::Open(folder_.File("library"), PictureIndex::Access::kWrite).value();
  }

  std::string Add(const std::string& caption) {
    return index_
        ->Add("file of " + caption,
              {.extension = "png", .caption = caption, .licence = "CC0", .source = "here"})
        .value();
  }
  std::vector<std::string> Captions(const std::string& text,
                                    int32_t count = 10,
                                    const std::set<int64_t>& exclude = {}) {
    const std::vector<IndexedPicture> found = index_->Search(text, exclude, count).value();
    std::vector<std::string> captions;
    for (const IndexedPicture& picture : found) captions.push_back(picture.caption);
    return captions;
  }

  fakes::TemporaryFolder folder_;
  std::unique_ptr<PictureIndex> index_;
};

TEST_F(PictureIndexTest, FindsByWordsInAnyFormBestFirst) {
  Add("A red bicycle leans on a wall");
  Add("Two cats sleeping in a box");
  Add("A cat and a dog");
  EXPECT_THAT(Captions("the sleeping cat"),
              ElementsAre("Two cats sleeping in a box", "A cat and a dog"));
  EXPECT_THAT(Captions("BICYCLES"), ElementsAre("A red bicycle leans on a wall"));
  EXPECT_THAT(Captions("volcano"), ElementsAre());
  EXPECT_THAT(Captions(""), ElementsAre());
}

TEST_F(PictureIndexTest, FindsInManyLanguages) {
  Add("一只黑猫在窗台上睡觉");
  Add("红色的自行车");
  Add("Ein Mädchen füttert Enten");
  Add("富士山の雪");
  EXPECT_THAT(Captions("黑猫"), ElementsAre("一只黑猫在窗台上睡觉"));
  EXPECT_THAT(Captions("有人骑自行车"), ElementsAre("红色的自行车"));
  EXPECT_THAT(Captions("madchen"), ElementsAre("Ein Mädchen füttert Enten"));
  EXPECT_THAT(Captions("雪の富士"), ElementsAre("富士山の雪"));
}

TEST_F(PictureIndexTest, LeavesOutWhatIsExcludedAndCountsTheRest) {
  for (int i = 0; i < 6; ++i) Add("cat " + std::to_string(i));
  const auto first = index_->Search("cat", {}, 2).value();
  ASSERT_EQ(first.size(), 2u);
  EXPECT_GT(first[0].score, 0);
  const auto next = index_->Search("cat", {first[0].id, first[1].id}, 2).value();
  ASSERT_EQ(next.size(), 2u);
  EXPECT_EQ(next[0].caption, "cat 2");
}

TEST_F(PictureIndexTest, APictureThatIsThereTakesOnNewWords) {
  const std::string digest = index_->Add("bytes", {.extension = "png", .caption = "a cat"}).value();
  EXPECT_EQ(
      index_->Add("bytes", {.extension = "png", .caption = "a dog", .licence = "MIT"}).value(),
      digest);
  EXPECT_THAT(Captions("cat"), ElementsAre());
  const auto found = index_->Search("dog", {}, 1).value();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].licence, "MIT");
  EXPECT_EQ(index_->ReadFile(found[0]).value(), "bytes");
  EXPECT_EQ(index_->List().value().size(), 1u);
}

TEST_F(PictureIndexTest, RemovesByTheBeginningOfADigest) {
  const std::string digest = Add("a cat");
  Add("a dog");
  EXPECT_EQ(index_->Remove("abc").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(index_->Remove("XX' OR 1=1").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(index_->Remove("0123456789").code(), StatusCode::kNotFound);
  const IndexedPicture picture = index_->Search("cat", {}, 1).value().front();
  EXPECT_TRUE(index_->Remove(digest.substr(0, 8)).ok());
  EXPECT_THAT(Captions("cat"), ElementsAre());
  EXPECT_FALSE(index_->ReadFile(picture).ok());
  EXPECT_EQ(index_->List().value().size(), 1u);
}

TEST_F(PictureIndexTest, AReaderSeesWhatAWriterAdds) {
  Add("a cat");
  const auto reader =
      PictureIndex::Open(folder_.File("library"), PictureIndex::Access::kRead).value();
  EXPECT_EQ(reader->Search("cat", {}, 5).value().size(), 1u);
  Add("another cat");
  EXPECT_EQ(reader->Search("cat", {}, 5).value().size(), 2u);
  EXPECT_EQ(reader->Add("x", {}).status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(PictureIndexTest, AFolderWithoutALibraryIsNamed) {
  const auto none = PictureIndex::Open(folder_.File("nothing"), PictureIndex::Access::kRead);
  EXPECT_EQ(none.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(none.status())),
              HasSubstr("nothing: no picture library is there"));
  std::filesystem::create_directories(folder_.File("broken/files"));
  folder_.Write("broken/pictures.sqlite", std::string(4096, 'x'));
  const auto broken = PictureIndex::Open(folder_.File("broken"), PictureIndex::Access::kRead);
  EXPECT_EQ(broken.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(broken.status())), HasSubstr("broken/pictures.sqlite"));
}

}  // namespace
}  // namespace triptych
