#include "worker/weights/safetensors_header.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triptych::weights {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kDataBytes = 16;

TEST(SafetensorsHeaderTest, ReadsEntriesInOrderOfTheirBytes) {
  const auto entries = ParseSafetensorsHeader(
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2,2],"data_offsets":[8,16]},)"
      R"("a":{"data_offsets":[0,8],"shape":[2],"dtype":"F32"}}   )",
      kDataBytes);
  ASSERT_TRUE(entries.ok()) << entries.status();
  ASSERT_EQ(entries->size(), 2u);
  EXPECT_EQ((*entries)[0].name, "a");
  EXPECT_EQ((*entries)[0].dtype, "F32");
  EXPECT_EQ((*entries)[1].name, "b");
  EXPECT_EQ((*entries)[1].shape, (std::vector<int64_t>{2, 2}));
  EXPECT_EQ((*entries)[1].begin, 8);
  EXPECT_EQ((*entries)[1].end, 16);
}

TEST(SafetensorsHeaderTest, TakesScalarsAndAnEmptyFile) {
  EXPECT_TRUE(
      ParseSafetensorsHeader(R"({"s":{"dtype":"F64","shape":[],"data_offsets":[0,8]}})", 8).ok());
  EXPECT_TRUE(ParseSafetensorsHeader("{}", 0).ok());
}

struct BadHeader {
  const char* what;
  std::string json;
  const char* message;  // a part of it
};

std::string Entry(const std::string& body) { return R"({"t":{)" + body + "}}"; }

std::vector<BadHeader> BadHeaders() {
  const std::string good = R"("dtype":"F32","shape":[4],"data_offsets":[0,16])";
  return {
      {"empty", "", "begin with"},
      {"a list", "[]", "begin with"},
      {"byte order mark", "\xEF\xBB\xBF" + Entry(good), "begin with"},
      {"padded with NUL", Entry(good) + std::string(3, '\0'), "NUL"},
      {"padded with newlines", Entry(good) + "\n", "padded"},
      {"something behind", Entry(good) + "{}", "not valid JSON"},
      {"cut off", R"({"t":{)" + good + "}  ", "not valid JSON"},
      {"not JSON", R"({"t":})", "not valid JSON"},
      {"not UTF-8", "{\"\xff\":{" + good + "}}", "not valid JSON"},
      {"a tensor that is a number", R"({"t":3})", "unexpected a number"},
      {"a tensor that is null", R"({"t":null})", "unexpected null"},
      {"deep", Entry(R"("dtype":{"a":{}})"), "unexpected an object"},
      {"a list in a list", Entry(R"("shape":[[1]])"), "unexpected a list"},
      {"metadata with a list", R"({"__metadata__":{"a":[]}})", "unexpected a list"},
      {"unknown key", Entry(good + R"(,"more":1)"), "unknown key 'more'"},
      {"repeated key", Entry(good + R"(,"dtype":"F32")"), "twice"},
      {"repeated name", R"({"t":{)" + good + R"(},"t":{)" + good + "}}", "twice"},
      {"no dtype", Entry(R"("shape":[4],"data_offsets":[0,16])"), "must all be given"},
      {"unknown dtype",
       Entry(R"("dtype":"X","shape":[4],"data_offsets":[0,16])"),
       "unknown dtype 'X'"},
      {"negative extent",
       Entry(R"("dtype":"F32","shape":[-1],"data_offsets":[0,16])"),
       "negative number -1"},
      {"fraction", Entry(R"("dtype":"F32","shape":[4.0],"data_offsets":[0,16])"), "fraction"},
      {"no elements", Entry(R"("dtype":"F32","shape":[0,4],"data_offsets":[0,0])"), "no elements"},
      {"product beyond 64 bits",
       Entry(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,16])"),
       "too large"},
      {"extent beyond 63 bits",
       Entry(R"("dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,16])"),
       "too large"},
      {"nine dimensions",
       Entry(R"("dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1])"),
       "more than 8"},
      {"one offset", Entry(R"("dtype":"F32","shape":[4],"data_offsets":[16])"), "instead of 2"},
      {"offsets reversed",
       Entry(R"("dtype":"F32","shape":[4],"data_offsets":[16,0])"),
       "do not hold"},
      {"size other than shape",
       Entry(R"("dtype":"F32","shape":[3],"data_offsets":[0,16])"),
       "12 bytes"},
      {"a gap in front", Entry(R"("dtype":"F32","shape":[2],"data_offsets":[8,16])"), "a gap"},
      {"an overlap",
       R"({"t":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},)"
       R"("u":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})",
       "tensor 'u': begins at byte 8 instead of 16 (an overlap)"},
      {"past the end", Entry(R"("dtype":"F32","shape":[8],"data_offsets":[0,32])"), "cut short"},
      {"bytes behind",
       Entry(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])"),
       "8 bytes follow"},
  };
}

TEST(SafetensorsHeaderTest, RefusesWhatIsNotExact) {
  for (const BadHeader& bad : BadHeaders()) {
    const auto entries = ParseSafetensorsHeader(bad.json, kDataBytes);
    ASSERT_FALSE(entries.ok()) << bad.what;
    EXPECT_EQ(entries.status().code(), StatusCode::kFailedPrecondition) << bad.what;
    EXPECT_THAT(std::string(Message(entries.status())), HasSubstr(bad.message)) << bad.what;
  }
}

TEST(SafetensorsHeaderTest, RefusesTooManyTensorsAndLongNames) {
  std::string many = "{";
  for (size_t i = 0; i <= kMaxTensors; ++i) {
    many += fmt::format(
        R"({}"{}":{{"dtype":"U8","shape":[1],"data_offsets":[{},{}]}})", i ? "," : "", i, i, i + 1);
  }
  EXPECT_FALSE(ParseSafetensorsHeader(many + "}", kMaxTensors + 1).ok());
  const std::string name(kMaxTensorNameBytes + 1, 'n');
  EXPECT_FALSE(ParseSafetensorsHeader(
                   R"({")" + name + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1)
                   .ok());
}

TEST(SafetensorsHeaderTest, DepthCostsNothing) {
  std::string deep(1 << 20, '[');
  EXPECT_FALSE(ParseSafetensorsHeader(R"({"t":)" + deep + "}", 0).ok());
}

}  // namespace
}  // namespace triptych::weights
