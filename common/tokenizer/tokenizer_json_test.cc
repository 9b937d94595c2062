#include "common/tokenizer/tokenizer_json.h"

#include <random>
#include <set>

#include "common/json/json_config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triptych {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

// A tokenizer.json as small as may be, with one of everything.
json Small() {
  return json::parse(R"({
    "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
    "added_tokens": [{"id": 3, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
      {"type": "Digits", "individual_digits": true},
      {"type": "Split", "pattern": {"Regex": "x+"}, "behavior": "Isolated", "invert": false},
      {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}]},
    "post_processor": {"type": "Sequence", "processors": [
      {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true},
      {"type": "TemplateProcessing", "pair": [],
       "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
       "special_tokens": {"<s>": {"id": "<s>", "ids": [3], "tokens": ["<s>"]}}}]},
    "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
    "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
              "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
              "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]}})");
}

TEST(TokenizerJson, IsReadWhole) {
  const auto read = ReadTokenizerJson(Small().dump(), "t.json");
  ASSERT_TRUE(read.ok()) << Message(read.status());
  EXPECT_EQ(read->model.ids.size(), 3u);
  ASSERT_EQ(read->model.merges.size(), 1u);
  EXPECT_EQ(read->model.merges[0].merged, 2);
  EXPECT_EQ(read->model.alphabet.byte_ids['b'], 1);
  EXPECT_EQ(read->model.alphabet.byte_ids['c'], -1);
  ASSERT_EQ(read->added_tokens.size(), 1u);
  EXPECT_TRUE(read->added_tokens[0].special);
  EXPECT_EQ(read->bos, 3);
  EXPECT_EQ(read->eos, -1);
  EXPECT_EQ(read->IdOf("<s>"), 3);
  EXPECT_EQ(read->IdOf("ab"), 2);
  EXPECT_EQ(read->IdOf("c"), -1);
}

struct Refusal {
  const char* pointer;  // what is replaced or added
  const char* value;
  const char* problem;
};
class RefusedTokenizerJson : public testing::TestWithParam<Refusal> {};

TEST_P(RefusedTokenizerJson, NamesFileAndKey) {
  json object = Small();
  object[json::json_pointer(GetParam().pointer)] = json::parse(GetParam().value);
  const auto read = ReadTokenizerJson(object.dump(), "t.json");
  EXPECT_EQ(read.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(read.status())), AllOf(HasSubstr("t.json: "), HasSubstr(GetParam().problem)));
}

constexpr char kAdded[] = "/added_tokens/0";
constexpr char kSplit[] = "/pre_tokenizer/pretokenizers/1";
constexpr char kTemplate[] = "/post_processor/processors/1";

INSTANTIATE_TEST_SUITE_P(
    Features,
    RefusedTokenizerJson,
    testing::Values(Refusal{"/normalizer", R"({"type": "NFC"})", "normalizer: 'NFC' is not supported"},
                    Refusal{"/truncation", R"({"max_length": 5})", "truncation"},
                    Refusal{"/padding", "3", "padding"},
                    Refusal{"/surprise", "null", "surprise: it is not supported"},
                    Refusal{"/decoder", "null", "decoder: '' is not supported"},
                    Refusal{"/decoder/type", R"("Metaspace")", "decoder: 'Metaspace'"},
                    Refusal{"/model/type", R"("Unigram")", "model.type: 'Unigram'"},
                    Refusal{"/model/dropout", "0.1", "model.dropout"},
                    Refusal{"/model/continuing_subword_prefix", R"("##")", "model.continuing_subword_prefix"},
                    Refusal{"/model/end_of_word_suffix", R"("</w>")", "model.end_of_word_suffix"},
                    Refusal{"/model/byte_fallback", "true", "model.byte_fallback"},
                    Refusal{"/model/surprise", "1", "model.surprise"},
                    Refusal{"/model/unk_token", R"("?")", "model.unk_token"},
                    Refusal{"/added_tokens/0/lstrip", "true", "added_tokens[0].lstrip"},
                    Refusal{"/added_tokens/0/rstrip", "true", "added_tokens[0].rstrip"},
                    Refusal{"/added_tokens/0/single_word", "true", "added_tokens[0].single_word"},
                    Refusal{"/pre_tokenizer", R"({"type": "Metaspace"})", "pre_tokenizer: 'Metaspace'"},
                    Refusal{kSplit, R"({"type": "Sequence", "pretokenizers": []})", "pre_tokenizer.pretokenizers[1]: 'Sequence'"},
                    Refusal{kSplit, R"({"type": "ByteLevel"})", "pre_tokenizer.pretokenizers[1]: 'ByteLevel'"},
                    Refusal{"/post_processor", R"({"type": "BertProcessing"})", "post_processor: 'BertProcessing'"},
                    Refusal{"/post_processor/processors/1/single", R"([{"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "<s>"}}])",
                            "post_processor.processors[1].single"}));

INSTANTIATE_TEST_SUITE_P(
    Malformed,
    RefusedTokenizerJson,
    testing::Values(Refusal{"/model", "null", "model: it is missing"},
                    Refusal{"/model/vocab", "[]", "model.vocab: it is not an object"},
                    Refusal{"/model/vocab/a", "-1", "model.vocab: the id of 'a'"},
                    Refusal{"/model/vocab/a", "1048576", "model.vocab: the id of 'a'"},
                    Refusal{"/model/vocab/a", "18446744073709551615", "model.vocab: the id of 'a'"},
                    Refusal{"/model/vocab/a", "1", "model.vocab: two tokens have the id 1"},
                    Refusal{"/model/vocab/", "7", "model.vocab: the token with id 7 is empty"},
                    Refusal{"/model/merges/0", R"("a b c")", "model.merges: number 0"},
                    Refusal{"/model/merges/0", R"(["b", "a"])", "model.merges: number 0 ('b' and 'a')"},
                    Refusal{"/model/merges/0", "7", "model.merges: number 0"},
                    Refusal{kAdded, "7", "added_tokens[0]: it is not an object"},
                    Refusal{"/added_tokens/0/id", "null", "added_tokens[0].id"},
                    Refusal{"/added_tokens/0/id", "2", "the id 2 of '<s>'"},
                    Refusal{"/added_tokens/0/content", R"("")", "added_tokens[0].content"},
                    Refusal{"/added_tokens/0/content", R"("a")", "the id 3 of 'a'"},
                    Refusal{"/added_tokens/1", R"({"id": 4, "content": "<s>"})", "'<s>' is there twice"},
                    Refusal{"/pre_tokenizer/pretokenizers", "[]", "pre_tokenizer.pretokenizers: it has 0"},
                    Refusal{"/pre_tokenizer/pretokenizers/2", R"({"type": "Digits"})", "the last is not ByteLevel"},
                    Refusal{"/pre_tokenizer/pretokenizers/1/behavior", R"("Kept")", "behavior: 'Kept'"},
                    Refusal{"/pre_tokenizer/pretokenizers/1/pattern", R"({"Regex": "x*"})", "pretokenizers[1].pattern: it may match nothing"},
                    Refusal{"/pre_tokenizer/pretokenizers/1/pattern", R"({"Regex": "(x"})", "pretokenizers[1].pattern: PCRE2"},
                    Refusal{"/pre_tokenizer/pretokenizers/1/pattern", R"({"Regex": "\\bx"})", "'\\b' is not supported"},
                    Refusal{"/pre_tokenizer/pretokenizers/1/pattern", R"({"Glob": "x"})", "pretokenizers[1].pattern: 'Glob'"},
                    Refusal{"/pre_tokenizer/pretokenizers/1/pattern", R"({"String": ""})", "pretokenizers[1].pattern: it is empty"},
                    Refusal{"/post_processor/processors/0", R"({"type": "TemplateProcessing", "single": [{"Sequence": {"id": "B"}}]})", "single"},
                    Refusal{kTemplate, R"({"type": "TemplateProcessing"})", "post_processor.processors[1].single"},
                    Refusal{"/post_processor/processors/1/special_tokens/<s>/ids", "[3, 3]", "special_tokens"},
                    Refusal{"/post_processor/processors/1/special_tokens", "null", "special_tokens"}));

// Reads it and expects nothing but an answer.
void ReadAnyhow(const std::string& text) {
  const auto read = ReadTokenizerJson(text, "t.json");
  if (!read.ok()) {
    EXPECT_EQ(read.status().code(), StatusCode::kFailedPrecondition);
  }
}

TEST(TokenizerJson, NothingInAnyPlaceCrashes) {
  const json small = Small();
  const json flat = small.flatten();
  std::set<std::string> seen;
  for (const auto& [leaf, value] : flat.items()) {
    for (json::json_pointer place(leaf); !place.empty() && seen.insert(place.to_string()).second; place.pop_back()) {
      for (const char* other : {"null", "-1", "1e300", "\"\"", "\"x\"", "true", "[[[]]]", R"({"type": {"type": 3}})"}) {
        json object = small;
        object[place] = json::parse(other);
        ReadAnyhow(object.dump());
      }
      json object = small;
      json& parent = object[place.parent_pointer()];
      if (parent.is_object()) parent.erase(place.back());
      ReadAnyhow(object.dump());
    }
  }
}

TEST(TokenizerJson, NoTruncationOrChangedByteCrashes) {
  const std::string whole = Small().dump();
  for (size_t size = 0; size < whole.size(); size += 3) ReadAnyhow(whole.substr(0, size));
  std::mt19937 random(9);
  for (int round = 0; round < 1000; ++round) {
    std::string changed = whole;
    for (int i = 0; i < 3; ++i) changed[random() % changed.size()] = static_cast<char>(random());
    ReadAnyhow(changed);
  }
  ReadAnyhow(std::string(200'000, '['));
  ReadAnyhow(R"({"model":)" + std::string(200'000, '['));
}

}  // namespace
}  // namespace triptych
