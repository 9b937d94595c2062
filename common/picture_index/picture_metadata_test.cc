#include "common/picture_index/picture_metadata.h"

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/temporary_folder.h"

namespace triptych {
namespace {

using testing::HasSubstr;

TEST(PictureMetadataTest, WordsComeFromBesideThePictureFromATableOrFromItsName) {
  const fakes::TemporaryFolder folder;
  std::filesystem::create_directories(folder.File("p/q"));
  folder.Write("p/a.png", "1");
  folder.Write("p/a.txt", "a cat\n");
  folder.Write("p/b.JPG", "2");
  folder.Write("p/b.json",
               R"({"caption": "a dog", "license": "CC BY 4.0", "source": "somewhere"})");
  folder.Write("p/c.webp", "3");
  folder.Write("p/metadata.jsonl",
               "{\"file_name\": \"c.webp\", \"text\": \"a cow\", \"licence\": \"MIT\"}\n\n");
  folder.Write("p/q/black_cat-3.gif", "4");
  folder.Write("p/readme.md", "no picture");
  const auto pictures = FindPictures({folder.File("p")}, "CC0", "me").value();
  ASSERT_EQ(pictures.size(), 4u);
  EXPECT_EQ(pictures[0].picture.caption, "a cat");
  EXPECT_EQ(pictures[0].picture.licence, "CC0");
  EXPECT_EQ(pictures[0].picture.source, "me");
  EXPECT_EQ(pictures[1].picture.caption, "a dog");
  EXPECT_EQ(pictures[1].picture.licence, "CC BY 4.0");
  EXPECT_EQ(pictures[1].picture.source, "somewhere");
  EXPECT_EQ(pictures[1].picture.extension, "jpg");
  EXPECT_EQ(pictures[2].picture.caption, "a cow");
  EXPECT_EQ(pictures[2].picture.licence, "MIT");
  EXPECT_EQ(pictures[3].picture.caption, "black cat 3");
}

TEST(PictureMetadataTest, WhatIsWrongIsNamed) {
  const fakes::TemporaryFolder folder;
  const auto problem = [](const std::vector<std::string>& paths) {
    return std::string(Message(FindPictures(paths, "", "").status()));
  };
  EXPECT_THAT(problem({folder.File("none")}), HasSubstr("no such file or folder"));
  EXPECT_THAT(problem({folder.Write("text.txt", "x")}),
              HasSubstr("text.txt: a picture's name ends with one of png"));
  folder.Write("a.png", "1");
  folder.Write("a.json", "{");
  EXPECT_THAT(problem({folder.File("a.png")}), HasSubstr("a.json"));
  folder.Write("b.png", "1");
  folder.Write("b.txt", "\xff");
  EXPECT_THAT(problem({folder.File("b.png")}), HasSubstr("not valid UTF-8"));
  folder.Write("metadata.jsonl", "{\"caption\": \"x\"}");
  EXPECT_THAT(problem({folder.File("a.png")}), HasSubstr("metadata.jsonl:1: file_name"));
}

}  // namespace
}  // namespace triptych
