#include "common/config/endpoint.h"
#include "common/config/yaml_reader.h"
#include "common/config/yaml_writer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triptych {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(Endpoint, ParsesAndPrints) {
  EXPECT_EQ(Endpoint::Parse("localhost:80")->ToString(), "localhost:80");
  EXPECT_EQ(Endpoint::Parse("[::1]:7071")->host, "::1");
  EXPECT_EQ(Endpoint::Parse("[::1]:7071")->ToString(), "[::1]:7071");
  for (const char* bad : {"", ":", "host", "host:", ":80", "host:x", "host:-1", "host:65536", "::1:80", "host:80 ", "[]:1"}) {
    EXPECT_FALSE(Endpoint::Parse(bad).ok()) << bad;
  }
}

TEST(Duration, ParsesUnitsAndRefusesTheRest) {
  EXPECT_EQ(ParseDuration("500ms")->count(), 500);
  EXPECT_EQ(ParseDuration("1.5s")->count(), 1500);
  EXPECT_EQ(ParseDuration("2m")->count(), 120'000);
  for (const char* bad : {"", "5", "s", "-1s", "1d", "1e300s", "nan s", "1 s"}) EXPECT_FALSE(ParseDuration(bad).ok()) << bad;
}

struct Sample {
  std::string name = "a";
  int32_t count = 3;
  double ratio = 0.5;
  bool on = false;
  std::chrono::milliseconds time{7};
  Endpoint listen;
  std::vector<std::string> roles;
  int64_t depth = 1;
  std::vector<std::string> models;
};

Status Read(std::string_view text, Sample& sample) {
  TRIPTYCH_ASSIGN_OR_RETURN(YamlReader yaml, YamlReader::FromText(text, "test.yaml"));
  yaml.Field("name", &sample.name);
  yaml.Field("count", &sample.count, {1, 10});
  yaml.Field("ratio", &sample.ratio, {0, 1});
  yaml.Field("on", &sample.on);
  yaml.Field("time", &sample.time);
  yaml.Field("listen", &sample.listen);
  yaml.Field("roles", &sample.roles);
  yaml.Section("inner", [&](YamlReader& inner) { inner.Field("depth", &sample.depth, {0, 99}); });
  yaml.List("models", [&](YamlReader& entry) { entry.Field("path", &sample.models.emplace_back()); });
  yaml.Require(sample.name != "forbidden", "name: this one is taken");
  return yaml.Finish();
}

TEST(YamlReader, ReadsAllKindsAndKeepsDefaults) {
  Sample sample;
  ASSERT_TRUE(Read("name: 'x: y'\ncount: 4\non: true\ntime: 2s\nlisten: 0.0.0.0:1\nroles: [a, b]\n"
                   "inner:\n  depth: 9\nmodels:\n  - path: /a\n  - path: /b\n",
                   sample)
                  .ok());
  EXPECT_EQ(sample.name, "x: y");
  EXPECT_EQ(sample.count, 4);
  EXPECT_EQ(sample.ratio, 0.5);
  EXPECT_EQ(sample.time, std::chrono::seconds(2));
  EXPECT_EQ(sample.depth, 9);
  EXPECT_THAT(sample.models, testing::ElementsAre("/a", "/b"));
  EXPECT_TRUE(Read("", sample).ok());
}

struct Bad {
  const char* text;
  std::vector<const char*> says;
};

class BadYaml : public testing::TestWithParam<Bad> {};

TEST_P(BadYaml, NamesFileLineAndWhatIsAllowed) {
  Sample sample;
  const Status status = Read(GetParam().text, sample);
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  for (const char* part : GetParam().says) EXPECT_THAT(std::string(Message(status)), HasSubstr(part));
}

INSTANTIATE_TEST_SUITE_P(
    All,
    BadYaml,
    testing::Values(Bad{"name: a\nconut: 3\n", {"test.yaml:2", "'conut'", "did you mean 'count'"}},
                    Bad{"zzzzzz: 3\n", {"test.yaml:1", "known keys: name, count"}},
                    Bad{"count: 11\n", {"test.yaml:1", "count: '11'", "from 1 to 10"}},
                    Bad{"count: x\n", {"count: 'x'"}},
                    Bad{"count: [1]\n", {"count", "whole number"}},
                    Bad{"on: maybe\n", {"true or false"}},
                    Bad{"time: 5\n", {"500ms"}},
                    Bad{"listen: nowhere\n", {"HOST:PORT"}},
                    Bad{"roles: a\n", {"roles", "list"}},
                    Bad{"inner: 3\n", {"test.yaml:1", "mapping"}},
                    Bad{"inner:\n  dept: 3\n", {"test.yaml:2", "did you mean 'depth'"}},
                    Bad{"models:\n  - path: a\n  - pth: b\n", {"test.yaml:3", "'pth'"}},
                    Bad{"name: a\nname: b\n", {"test.yaml:2", "twice"}},
                    Bad{"name: forbidden\n", {"this one is taken"}},
                    Bad{"- a\n", {"mapping"}},
                    Bad{"name: [a\n", {"test.yaml"}},
                    Bad{"\x01", {"test.yaml"}}));

TEST(YamlReader, AMissingFileIsNamed) {
  EXPECT_THAT(std::string(Message(YamlReader::FromFile("/no/such.yaml").status())), HasSubstr("/no/such.yaml"));
}

TEST(YamlWriter, WhatItWritesReadsBackEqual) {
  Sample sample;
  sample.name = "quotes \" and: colons\n#";
  sample.roles = {"a b", "c"};
  sample.models = {"/x", "/y"};
  sample.depth = 42;
  YamlWriter yaml;
  yaml.Field("name", &sample.name);
  yaml.Field("count", &sample.count, {1, 10});
  yaml.Field("ratio", &sample.ratio, {0, 1});
  yaml.Field("on", &sample.on);
  yaml.Field("time", &sample.time);
  yaml.Field("listen", &sample.listen);
  yaml.Field("roles", &sample.roles);
  yaml.Section("inner", [&](YamlWriter& inner) { inner.Field("depth", &sample.depth, {0, 99}); });
  yaml.List("models", 2, [&](YamlWriter& entry, size_t i) { entry.Field("path", &sample.models[i]); });
  Sample again;
  const Status status = Read(yaml.Finish(), again);
  ASSERT_TRUE(status.ok()) << Message(status) << "\n" << yaml.Finish();
  EXPECT_EQ(again.name, sample.name);
  EXPECT_EQ(again.roles, sample.roles);
  EXPECT_EQ(again.models, sample.models);
  EXPECT_EQ(again.depth, 42);
  EXPECT_EQ(again.time, sample.time);
}

}  // namespace
}  // namespace triptych
