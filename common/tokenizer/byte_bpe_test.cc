#include "common/text_file.h"
#include "common/tokenizer/byte_bpe.h"

#include <chrono>
#include <random>
#include <thread>

#include "common/json/json_config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/temporary_folder.h"

namespace triptych {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

const std::string kData = std::string(TRIPTYCH_TEST_DATA) + "/../common/tokenizer/testdata/byte_bpe";

json ReadJson(const std::string& name) { return json::parse(*ReadTextFile(kData + "/" + name)); }

std::unique_ptr<ByteBpeTokenizer> Make(const json& object) {
  auto read = ReadTokenizerJson(object.dump(), "tokenizer.json");
  EXPECT_TRUE(read.ok()) << Message(read.status());
  return read.ok() ? std::make_unique<ByteBpeTokenizer>(*std::move(read)) : nullptr;
}

std::string Decode(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  std::string text;
  for (const TokenId id : ids) text += tokenizer.Bytes(id);
  return text;
}

void ExpectTheReferencesIds(const ByteBpeTokenizer& tokenizer, const json& cases) {
  ASSERT_GT(cases.size(), 0u);
  for (const json& example : cases) {
    std::vector<TextRun> runs;
    for (const json& run : example["runs"]) runs.push_back({run[0].get<std::string>(), run[1].get<bool>()});
    EXPECT_EQ(tokenizer.Encode(runs), example["ids"].get<std::vector<TokenId>>()) << example["runs"].dump();
  }
}

TEST(ByteBpeReference, GivesTheSameIds) { ExpectTheReferencesIds(*Make(ReadJson("tokenizer.json")), ReadJson("cases.json")["cases"]); }

TEST(ByteBpeReference, GivesTheSameIdsForAllVariants) {
  const json base = ReadJson("tokenizer.json");
  const json all = ReadJson("cases.json");
  for (const json& variant : all["variants"]) {
    SCOPED_TRACE(variant["name"].get<std::string>());
    json object = base;
    object.merge_patch(variant["patch"]);
    const auto tokenizer = Make(object);
    ASSERT_NE(tokenizer, nullptr);
    ExpectTheReferencesIds(*tokenizer, variant["cases"]);
  }
}

class ByteBpeTest : public testing::Test {
 protected:
  const std::unique_ptr<ByteBpeTokenizer> tokenizer_ = Make(ReadJson("tokenizer.json"));
};

TEST_F(ByteBpeTest, TextSurvivesTheRoundTrip) {
  const json all = ReadJson("cases.json");
  for (const json& example : all["cases"]) {
    const std::string text = example["runs"][0][0];
    EXPECT_EQ(Decode(*tokenizer_, tokenizer_->Encode(text, /*trusted=*/false)), text);
  }
}

TEST_F(ByteBpeTest, RunsAreOneTextWhereverTheyAreCut) {
  const std::string text = "It's 12 o'clock,  Grüße aus 東京\n\n";
  const auto whole = tokenizer_->Encode(text, /*trusted=*/false);
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    if (!IsValidUtf8(text.substr(0, cut))) continue;
    EXPECT_EQ(tokenizer_->Encode(std::vector<TextRun>{{text.substr(0, cut), true}, {text.substr(cut), false}}), whole) << cut;
  }
}

TEST_F(ByteBpeTest, UntrustedTextNeverHoldsSpecialTokens) {
  std::mt19937 random(3);
  const std::vector<std::string> parts = {"<|im_end|>", "<|im_start|>", "<|endoftext|>", "<|im_", "end|>", "<", "|>", "x", " "};
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (int i = 0; i < 8; ++i) text += parts[random() % parts.size()];
    const auto ids = tokenizer_->Encode(text, /*trusted=*/false);
    ASSERT_EQ(Decode(*tokenizer_, ids), text);
    for (const char* spelling : {"<|im_end|>", "<|im_start|>", "<|endoftext|>"}) {
      ASSERT_THAT(ids, Not(Contains(tokenizer_->SpecialId(spelling)))) << text;
    }
  }
}

TEST_F(ByteBpeTest, SpecialTokensAreKnownAndAreNoText) {
  const TokenId end = tokenizer_->SpecialId("<|im_end|>");
  EXPECT_EQ(end, 2);
  EXPECT_EQ(tokenizer_->Bytes(end), "");
  EXPECT_EQ(tokenizer_->SpecialId("the"), -1);
  EXPECT_EQ(tokenizer_->vocab_size(), 900);
  EXPECT_EQ(tokenizer_->bos(), -1);
  EXPECT_EQ(tokenizer_->eos(), -1);
  EXPECT_EQ(tokenizer_->Bytes(-1), "");
  EXPECT_EQ(tokenizer_->Bytes(1 << 30), "");
}

TEST_F(ByteBpeTest, AddedTokensThatAreNotSpecialAreText) {
  json object = ReadJson("tokenizer.json");
  object["added_tokens"].push_back({{"id", 1000}, {"content", "é x"}});
  const auto tokenizer = Make(object);
  EXPECT_EQ(tokenizer->Encode("aé xb", /*trusted=*/false)[1], 1000);
  EXPECT_EQ(tokenizer->Bytes(1000), "é x");
  EXPECT_EQ(tokenizer->Bytes(999), "");
  EXPECT_EQ(tokenizer->vocab_size(), 1001);
}

TEST_F(ByteBpeTest, OneLongWordTakesNoSquareOfItsLength) {
  const auto begin = std::chrono::steady_clock::now();
  std::mt19937 random(1);
  std::string word;
  while (word.size() < 1 << 18) word += static_cast<char>('a' + random() % 6);
  EXPECT_EQ(Decode(*tokenizer_, tokenizer_->Encode(word, /*trusted=*/false)), word);
  for (const char c : {'e', ' ', '\n', '!', '7'}) {
    const std::string run(1 << 18, c);
    EXPECT_EQ(Decode(*tokenizer_, tokenizer_->Encode(run + "x", /*trusted=*/false)), run + "x");
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
}

TEST_F(ByteBpeTest, ThreadsShareATokenizer) {
  const std::string text = "What is in this picture? 这张图片里有什么？ 12 <|im_end|>";
  const auto alone = tokenizer_->Encode(text, /*trusted=*/true);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 200; ++round) EXPECT_EQ(tokenizer_->Encode(text, /*trusted=*/true), alone);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

class ByteBpeFolderTest : public testing::Test {
 protected:
  ByteBpeFolderTest() { folder_.Write("tokenizer.json", *ReadTextFile(kData + "/tokenizer.json")); }
  StatusOr<std::unique_ptr<Tokenizer>> LoadWith(std::string_view config) {
    folder_.Write("tokenizer_config.json", config);
    return LoadTokenizer(folder_.path());
  }
  const fakes::TemporaryFolder folder_;
};

TEST_F(ByteBpeFolderTest, IsLoadedWithItsConfigOrWithout) {
  EXPECT_EQ((*LoadTokenizer(folder_.path()))->eos(), -1);
  const auto plain = LoadWith(R"({"eos_token": "<|im_end|>", "bos_token": "<|im_start|>", "chat_template": "..."})");
  ASSERT_TRUE(plain.ok()) << Message(plain.status());
  EXPECT_EQ((*plain)->eos(), 2);
  EXPECT_EQ((*plain)->bos(), -1);
  const auto with_bos = LoadWith(R"({"add_bos_token": true, "bos_token": {"content": "<|im_start|>"}})");
  ASSERT_TRUE(with_bos.ok()) << Message(with_bos.status());
  EXPECT_EQ((*with_bos)->bos(), 1);
}

TEST_F(ByteBpeFolderTest, ConfigsThatCannotBeFollowedAreRefusedByName) {
  for (const auto& [config, problem] : std::vector<std::pair<const char*, const char*>>{
           {R"({"add_bos_token": true})", "bos_token"},
           {R"({"add_bos_token": true, "bos_token": "<s>"})", "bos_token: '<s>'"},
           {R"({"add_eos_token": true})", "add_eos_token"},
           {R"({"eos_token": "</s>"})", "eos_token: '</s>'"},
           {R"({"eos_token": {"content": 3}})", "eos_token.content"},
           {R"({"add_bos_token": 1})", "add_bos_token"},
           {"[]", "not a JSON object"}}) {
    EXPECT_THAT(std::string(Message(LoadWith(config).status())), AllOf(HasSubstr("tokenizer_config.json: "), HasSubstr(problem)));
  }
}

TEST(LoadTokenizer, NamesBothFilesWhereThereIsNeither) {
  const fakes::TemporaryFolder folder;
  EXPECT_THAT(std::string(Message(LoadTokenizer(folder.path()).status())),
              AllOf(HasSubstr(folder.path()), HasSubstr("tokenizer.model"), HasSubstr("tokenizer.json")));
  folder.Write("tokenizer.json", "{}");
  folder.Write("tokenizer.model", "garbage");
  EXPECT_THAT(std::string(Message(LoadTokenizer(folder.path()).status())), HasSubstr("tokenizer.model"));
}

}  // namespace
}  // namespace triptych
