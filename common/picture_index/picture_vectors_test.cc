#include <sqlite3.h>

#include <algorithm>

#include "common/picture_index/picture_index.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/temporary_folder.h"

namespace triptych {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class PictureVectorsTest : public testing::Test {
 protected:
  PictureVectorsTest() : index_(Open(PictureIndex::Access::kWrite)) {}

  std::unique_ptr<PictureIndex> Open(PictureIndex::Access access) {
    return PictureIndex::Open(folder_.File("library"), access).value();
  }
  // A picture, and the vector of its caption in the space "s".
  IndexedPicture Add(const std::string& caption, const std::vector<float>& values) {
    const std::string digest =
        index_->Add("file of " + caption, {.extension = "png", .caption = caption}).value();
    const std::vector<IndexedPicture> all = index_->List().value();
    const IndexedPicture picture =
        *std::ranges::find(all, digest, &IndexedPicture::sha256);
    if (values.empty()) return picture;
    EXPECT_TRUE(index_->PutVectors({picture}, {{"s", values}}).ok());
    return picture;
  }
  static std::vector<std::string> Captions(const StatusOr<std::vector<IndexedPicture>>& found) {
    std::vector<std::string> captions;
    for (const IndexedPicture& picture : found.value()) captions.push_back(picture.caption);
    return captions;
  }
  void Execute(const std::string& sql) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(folder_.File("library/pictures.sqlite").c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database);
    sqlite3_close(database);
  }

  const fakes::TemporaryFolder folder_;
  std::unique_ptr<PictureIndex> index_;
};

TEST_F(PictureVectorsTest, FindsByVectorWhatNoWordFinds) {
  Add("honeybee", {1, 0});
  Add("automobile", {0, 1});
  const IndexedPicture van = Add("van", {0.3F, 1});
  EXPECT_THAT(Captions(index_->Search(TextVector{"s", {0, 2}}, {}, 2)), ElementsAre("automobile", "van"));
  EXPECT_THAT(Captions(index_->Search(TextVector{"s", {0, 2}}, {van.id}, 2)), ElementsAre("automobile", "honeybee"));
}

TEST_F(PictureVectorsTest, BothFindAndWordsWeighMore) {
  Add("a car", {});
  Add("automobile", {0, 1});
  Add("honeybee", {1, 0});
  EXPECT_THAT(Captions(index_->Search("car", TextVector{"s", {0, 1}}, {}, 3)),
              ElementsAre("a car", "automobile", "honeybee"));
  EXPECT_THAT(Captions(index_->Search("nothing", TextVector{"s", {1, 0}}, {}, 1)), ElementsAre("honeybee"));
}

TEST_F(PictureVectorsTest, OtherSpacesAreNeverCompared) {
  Add("a car", {0, 1});
  EXPECT_THAT(Captions(index_->Search(TextVector{"t", {0, 1}}, {}, 3)), IsEmpty());
  EXPECT_THAT(Captions(index_->Search("car", TextVector{"t", {0, 1, 2}}, {}, 3)), ElementsAre("a car"));
}

TEST_F(PictureVectorsTest, ListsWhatHasNoVector) {
  EXPECT_FALSE(index_->HasVectors().value());
  const IndexedPicture car = Add("a car", {0, 1});
  Add("a van", {});
  EXPECT_TRUE(index_->HasVectors().value());
  EXPECT_THAT(Captions(index_->ListWithout({"s", {5, 5}})), ElementsAre("a van"));
  EXPECT_THAT(Captions(index_->ListWithout({"s", {5, 5, 5}})), ElementsAre("a car", "a van"));
  EXPECT_THAT(Captions(index_->ListWithout({"t", {5, 5}})), ElementsAre("a car", "a van"));
}

TEST_F(PictureVectorsTest, ANewCaptionNeedsANewVector) {
  const std::string file = "file of a car";
  const IndexedPicture car = Add("a car", {0, 1});
  ASSERT_TRUE(index_->Add(file, {.extension = "png", .caption = "a car", .licence = "MIT"}).ok());
  EXPECT_THAT(Captions(index_->ListWithout({"s", {5, 5}})), IsEmpty());
  ASSERT_TRUE(index_->Add(file, {.extension = "png", .caption = "a taxi"}).ok());
  EXPECT_THAT(Captions(index_->ListWithout({"s", {5, 5}})), ElementsAre("a taxi"));
  EXPECT_TRUE(index_->PutVectors({car}, {{"s", {0, 1}}}).ok());  // of the old caption: comes too late
  EXPECT_THAT(Captions(index_->ListWithout({"s", {5, 5}})), ElementsAre("a taxi"));
}

TEST_F(PictureVectorsTest, VectorsGoWithTheirPicture) {
  const IndexedPicture car = Add("a car", {0, 1});
  ASSERT_TRUE(index_->Remove(car.sha256).ok());
  EXPECT_FALSE(index_->HasVectors().value());
  EXPECT_THAT(Captions(index_->Search(TextVector{"s", {0, 1}}, {}, 3)), IsEmpty());
}

TEST_F(PictureVectorsTest, AReaderSeesWhatAWriterAdds) {
  Add("a car", {0, 1});
  const auto reader = Open(PictureIndex::Access::kRead);
  EXPECT_THAT(Captions(reader->Search(TextVector{"s", {0, 1}}, {}, 3)), ElementsAre("a car"));
  Add("a van", {0, 2});
  EXPECT_THAT(Captions(reader->Search(TextVector{"s", {0, 1}}, {}, 3)), ElementsAre("a car", "a van"));
  EXPECT_EQ(reader->PutVectors(reader->List().value(), {2, {"s", {1, 1}}}).code(), StatusCode::kFailedPrecondition);
}

TEST_F(PictureVectorsTest, ALibraryFromBeforeVectorsIsReadAndGetsThemWhenWritten) {
  Add("a car", {});
  Execute("DROP TRIGGER words_changed; DROP TRIGGER picture_removed; DROP TABLE vectors");
  const auto reader = Open(PictureIndex::Access::kRead);
  EXPECT_FALSE(reader->HasVectors().value());
  EXPECT_THAT(Captions(reader->Search("car", TextVector{"s", {0, 1}}, {}, 3)), ElementsAre("a car"));
  index_ = Open(PictureIndex::Access::kWrite);
  Add("a van", {0, 1});
  EXPECT_TRUE(reader->HasVectors().value());
}

TEST_F(PictureVectorsTest, DamagedVectorsAreNamedAndWordsStillFind) {
  const IndexedPicture car = Add("a car", {0, 1});
  const char* const kDamages[] = {"x'00'", "x''", "x'0000000000000000'", "x'0000c07f0000c07f'", "'text'"};
  for (const char* damage : kDamages) {
    Execute(std::string("UPDATE vectors SET vector = ") + damage);
    const auto found = index_->Search(TextVector{"s", {0, 1}}, {}, 3);
    EXPECT_EQ(found.status().code(), StatusCode::kFailedPrecondition) << damage;
    EXPECT_THAT(std::string(Message(found.status())), HasSubstr("embed --again")) << damage;
    EXPECT_THAT(Captions(index_->Search("car", {}, 3)), ElementsAre("a car"));
  }
  ASSERT_TRUE(index_->PutVectors({car}, {{"s", {0, 1}}}).ok());
  EXPECT_THAT(Captions(index_->Search(TextVector{"s", {0, 1}}, {}, 3)), ElementsAre("a car"));
}

}  // namespace
}  // namespace triptych
