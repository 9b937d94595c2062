#include "common/text_file.h"

#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triptych {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(ReadTextFile, NamesAFileThatIsMissingOrTooLarge) {
  const std::string path = testing::TempDir() + "/text_file_test.txt";
  std::ofstream(path) << "12345";
  EXPECT_EQ(*ReadTextFile(path), "12345");
  EXPECT_EQ(*ReadTextFile(path, 5), "12345");
  EXPECT_THAT(std::string(Message(ReadTextFile(path, 4).status())), AllOf(HasSubstr(path), HasSubstr("at most 4")));
  std::filesystem::remove(path);
  EXPECT_THAT(std::string(Message(ReadTextFile(path).status())), HasSubstr(path));
  EXPECT_THAT(std::string(Message(ReadTextFile(path).status())), HasSubstr("No such file"));
  EXPECT_THAT(std::string(Message(ReadTextFile(testing::TempDir()).status())), HasSubstr("Is a directory"));
}

TEST(ReadTextFile, TakesAnEmptyFile) {
  const std::string path = testing::TempDir() + "/text_file_empty.txt";
  std::ofstream{path};
  EXPECT_EQ(*ReadTextFile(path), "");
}

}  // namespace
}  // namespace triptych
