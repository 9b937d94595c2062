#include "common/json/json_config.h"


#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triptych {
namespace {

using testing::AllOf;
using testing::HasSubstr;

nlohmann::json Sample() {
  return *ParseJsonObject(R"({"width": 3, "rate": 0.5, "on": true, "name": "a", "inner": {"x": 1}, "list": [1], "none": null})", "f");
}

TEST(JsonConfig, ReadsWhatIsThereAndLeavesDefaults) {
  const nlohmann::json object = Sample();
  JsonConfig json(object, "f.json");
  int32_t width = 0, absent = 7;
  double rate = 0;
  bool on = false;
  std::string name;
  json.Integer("width", &width, 0, 10);
  json.Integer("absent", &absent, 0, 10);
  json.Integer("none", &absent, 0, 10);
  json.Number("rate", &rate, 0, 1);
  json.Flag("on", &on);
  json.Text("name", &name);
  EXPECT_EQ(width, 3);
  EXPECT_EQ(absent, 7);
  EXPECT_EQ(rate, 0.5);
  EXPECT_TRUE(on);
  EXPECT_EQ(name, "a");
  EXPECT_NE(json.Object("inner"), nullptr);
  EXPECT_NE(json.Array("list"), nullptr);
  EXPECT_EQ(json.Object("absent"), nullptr);
  EXPECT_EQ(json.Array("none"), nullptr);
  json.Only({"width", "rate", "on", "name", "inner", "list", "none"});
  EXPECT_TRUE(json.status().ok()) << Message(json.status());
}

TEST(JsonConfig, KeepsTheFirstProblemWithFileAndKey) {
  const nlohmann::json object = Sample();
  const auto problem = [&](auto read) {
    JsonConfig json(object, "f.json", "outer.");
    read(json);
    json.Require(false, "second", "it is not the first");
    EXPECT_EQ(json.status().code(), StatusCode::kFailedPrecondition);
    return std::string(Message(json.status()));
  };
  int32_t number = 0;
  std::string text;
  EXPECT_THAT(problem([&](auto& json) { json.Integer("width", &number, 4, 9); }), HasSubstr("f.json: outer.width: 3 is not"));
  EXPECT_THAT(problem([&](auto& json) { json.Text("width", &text); }), HasSubstr("outer.width: it is not a text"));
  EXPECT_THAT(problem([&](auto& json) { json.Object("list"); }), HasSubstr("outer.list: it is not an object"));
  EXPECT_THAT(problem([&](auto& json) { json.Array("inner"); }), HasSubstr("outer.inner: it is not a list"));
  EXPECT_THAT(problem([&](auto& json) { json.Only({"width", "rate", "on", "name", "inner", "list"}); }),
              HasSubstr("outer.none: it is not supported"));
}

TEST(ParseJsonObject, RefusesAllElse) {
  for (const char* text : {"", "[]", "3", "{", "{\"a\": \"\xff\"}"}) {
    EXPECT_THAT(std::string(Message(ParseJsonObject(text, "f.json").status())), HasSubstr("f.json"));
  }
}

TEST(TypeOf, IsEmptyWhereThereIsNone) {
  EXPECT_EQ(TypeOf(nlohmann::json::parse(R"({"type": "x"})")), "x");
  for (const char* other : {"{}", "[]", "null", R"({"type": 1})"}) EXPECT_EQ(TypeOf(nlohmann::json::parse(other)), "");
}

}  // namespace
}  // namespace triptych
