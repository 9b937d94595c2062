#include "common/log/log.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace triptych {
namespace {

TEST(Log, JsonLinesParseWhateverTheMessage) {
  testing::internal::CaptureStderr();
  SetUpLogging("router", LogFormat::kJson, spdlog::level::info);
  spdlog::info("a \"quoted\"\nline with \x01 and \xff");
  spdlog::debug("below the level");
  const std::string line = testing::internal::GetCapturedStderr();
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json["process"], "router");
  EXPECT_EQ(json["level"], "info");
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  EXPECT_THAT(json["message"].get<std::string>(), testing::HasSubstr("a \"quoted\"\nline"));
}

TEST(Log, TextLinesNameTheProcess) {
  testing::internal::CaptureStderr();
  SetUpLogging("worker", LogFormat::kText, spdlog::level::info);
  spdlog::warn("loaded {} tensors", 3);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr("W worker loaded 3 tensors\n"));
}

TEST(Log, IdsAreCutAndPrintable) {
  EXPECT_EQ(LogId("abc\n\x1b[31m"), "abc??[31m");
  EXPECT_EQ(LogId(std::string(1000, 'x')).size(), 64u);
}

}  // namespace
}  // namespace triptych
