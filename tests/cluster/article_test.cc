// Articles over the whole cluster: with a model that answers as scripted, with one that answers
// garbage, and with workers that die.
#include <set>

#include "common/hash/sha256.h"
#include "common/status_reason.h"
#include "router/base64.h"
#include "router/compose/article_text.h"
#include "tests/cluster/cluster_test.h"
#include "tests/fakes/fake_model_card.h"
#include "tests/fakes/tiny_bmp.h"

namespace triptych::cluster_test {
namespace {

using testing::HasSubstr;

constexpr char kInstruction[] = "Write of beasts";
constexpr char kText[] = "# Beasts\nCats sleep all day.\n\nDogs run.\nBirds sing.\nFish swim.\n";
constexpr size_t kTextSteps = sizeof(kText);  // a byte each, and the end
constexpr char kPlaces[] = " 3 and 2, 99, 2, 0.";

struct Line {
  std::string prompt_end, answer;
};

// The answer to the prompt that ends so, byte by byte, then the end of sequence.
std::optional<TokenId> NextOf(const std::vector<Line>& lines, const std::vector<uint64_t>& seen) {
  constexpr TokenId kFirst = fakes::ByteTokenizer::kFirstByte;
  std::string text;
  for (const uint64_t value : seen)
    text += value >= kFirst && value < kFirst + 256 ? static_cast<char>(value - kFirst) : '\x01';
  for (const Line& line : lines) {
    for (size_t at = text.rfind(line.prompt_end); at != std::string::npos;
         at = at == 0 ? std::string::npos : text.rfind(line.prompt_end, at - 1)) {
      const std::string said = text.substr(at + line.prompt_end.size());
      if (!line.answer.starts_with(said)) continue;
      return said.size() == line.answer.size()
                 ? 2
                 : kFirst + static_cast<unsigned char>(line.answer[said.size()]);
    }
  }
  return std::nullopt;
}

fakes::FakeShardGroup::Script ScriptOf(std::vector<Line> lines) {
  return
      [lines = std::move(lines)](const std::vector<uint64_t>& seen) { return NextOf(lines, seen); };
}

std::vector<Line> BeastsScript() {
  return {{kInstruction, kText},
          {"A picture should stand after the paragraphs", kPlaces},
          {"Cats sleep all day.The picture shows", " a cat on a mat. It sleeps."},
          {"Dogs run.The picture shows", " a dog at play."},
          {"The most suitable picture is", " B"}};
}

std::string DigestOf(const std::string& file) {
  return ToHex(Sha256({reinterpret_cast<const uint8_t*>(file.data()), file.size()}));
}

class ArticleTest : public testing::Test {
 protected:
  explicit ArticleTest(std::vector<Line> lines = BeastsScript())
      : cluster_({.policy = "least_loaded",
                  .script = ScriptOf(std::move(lines)),
                  .library = &library_}) {
    uint32_t seed = 0;
    for (const char* words :
         {"a cat on a sofa", "a cat and a mat", "a dog that barks", "a dog at play", "a fish"})
      library_.Add(words, fakes::TinyBmp(++seed));
  }
  void TearDown() override { cluster_.ExpectNothingLeft(); }

  static v1::ComposeRequest MakeRequest() {
    v1::ComposeRequest request;
    request.set_instruction(kInstruction);
    request.mutable_sampling()->set_seed(11);
    request.set_max_images(2);
    request.set_page(true);
    request.set_pictures(true);
    return request;
  }
  HeardArticle Compose(const v1::ComposeRequest& request) {
    return cluster_.StartArticle(request)->Finish();
  }

  static void ExpectSame(const HeardArticle& heard, const HeardArticle& undisturbed) {
    ASSERT_TRUE(heard.complete()) << heard.why();
    EXPECT_EQ(heard.text, undisturbed.text);
    EXPECT_EQ(heard.page, undisturbed.page);
    EXPECT_EQ(heard.pictures, undisturbed.pictures);
    EXPECT_EQ(heard.finished->markdown(), undisturbed.finished->markdown());
    ASSERT_EQ(heard.illustrations.size(), undisturbed.illustrations.size());
    for (size_t i = 0; i < heard.illustrations.size(); ++i) {
      EXPECT_EQ(heard.illustrations[i].SerializeAsString(),
                undisturbed.illustrations[i].SerializeAsString())
          << i;
    }
  }

  fakes::ListLibrary library_;
  LocalCluster cluster_;
};

TEST_F(ArticleTest, IsWrittenAndIllustrated) {
  cluster_.AddDecoder("d0");
  cluster_.AddEncoder("e0");
  const HeardArticle heard = Compose(MakeRequest());
  ASSERT_TRUE(heard.complete()) << heard.why();
  EXPECT_EQ(heard.text, kText);
  EXPECT_EQ(heard.started->model(), "fake");
  EXPECT_EQ(heard.started->seed(), 11u);
  ASSERT_EQ(heard.placements.size(), 2u);
  ASSERT_EQ(heard.illustrations.size(), 2u);
  const v1::Illustration& cat = heard.illustrations[0];
  EXPECT_EQ(cat.after_paragraph(), 1u);
  EXPECT_EQ(cat.caption(), "a cat on a mat");
  EXPECT_EQ(cat.chosen(), 1u);
  ASSERT_EQ(cat.candidates_size(), 2);
  EXPECT_EQ(cat.candidates(1).description(), "a cat and a mat");
  EXPECT_EQ(cat.candidates(0).licence(), "CC0");
  EXPECT_EQ(cat.candidates(0).source(), "a drawer");
  EXPECT_EQ(cat.image_sha256(), DigestOf(fakes::TinyBmp(2)));
  EXPECT_EQ(cat.licence(), "CC0");
  EXPECT_EQ(heard.illustrations[1].after_paragraph(), 2u);
  EXPECT_EQ(heard.illustrations[1].caption(), "a dog at play");
  EXPECT_EQ(heard.illustrations[1].image_sha256(), DigestOf(fakes::TinyBmp(4)));
  EXPECT_EQ(heard.finished->title(), "Beasts");
  EXPECT_EQ(heard.finished->illustrations_size(), 2);
  EXPECT_EQ(
      heard.finished->markdown(),
      fmt::format(
          "# Beasts\n\nCats sleep all day.\n\n![a cat on a mat](/v1/pictures/{})\n\nDogs "
          "run.\n\n![a dog at play](/v1/pictures/{})\n\n"
          "Birds sing.\n\nFish swim.\n\n---\n\n- a cat on a mat: a drawer, CC0\n- a dog at play: a drawer, CC0\n",
          DigestOf(fakes::TinyBmp(2)),
          DigestOf(fakes::TinyBmp(4))));
  EXPECT_THAT(heard.page, HasSubstr(router::Base64(fakes::TinyBmp(2))));
  EXPECT_TRUE(heard.page.ends_with("</html>\n"));
  EXPECT_EQ(heard.pictures.at(cat.image_sha256()), fakes::TinyBmp(2));
  EXPECT_EQ(heard.pictures.size(), 2u);
  EXPECT_EQ(cluster_.Metric("triptych_router_illustrations_total{source=\"library\"}"), 2);
  EXPECT_EQ(cluster_.Metric("triptych_router_library_searches_total{result=\"found\"}"), 2);
}

TEST_F(ArticleTest, FilesComeOnlyWhereAskedFor) {
  cluster_.AddDecoder("d0");
  cluster_.AddEncoder("e0");
  v1::ComposeRequest request = MakeRequest();
  request.clear_page();
  request.clear_pictures();
  const HeardArticle heard = Compose(request);
  ASSERT_TRUE(heard.complete()) << heard.why();
  EXPECT_EQ(heard.page, "");
  EXPECT_TRUE(heard.pictures.empty());
}

TEST_F(ArticleTest, TheUsersPicturesComeBeforeTheLibrarys) {
  cluster_.AddDecoder("d0");
  cluster_.AddEncoder("e0");
  v1::ComposeRequest request = MakeRequest();
  request.add_images()->set_data(fakes::TinyBmp(77));
  const HeardArticle heard = Compose(request);
  ASSERT_TRUE(heard.complete()) << heard.why();
  ASSERT_EQ(heard.illustrations.size(), 2u);
  EXPECT_EQ(heard.illustrations[0].image_sha256(), DigestOf(fakes::TinyBmp(77)));
  EXPECT_EQ(heard.illustrations[0].caption(), "");
  EXPECT_EQ(heard.illustrations[0].candidates_size(), 1);
  EXPECT_EQ(heard.illustrations[1].image_sha256(), DigestOf(fakes::TinyBmp(4)));
  EXPECT_EQ(cluster_.Metric("triptych_router_illustrations_total{source=\"user\"}"), 1);

  request.add_images()->set_data(fakes::TinyBmp(78));
  request.add_images()->set_data(fakes::TinyBmp(79));
  const HeardArticle chosen = Compose(request);
  ASSERT_TRUE(chosen.complete()) << chosen.why();
  ASSERT_EQ(chosen.illustrations.size(), 2u);
  EXPECT_EQ(chosen.illustrations[0].image_sha256(), DigestOf(fakes::TinyBmp(78)));
  EXPECT_EQ(chosen.illustrations[1].candidates_size(), 2);
  EXPECT_EQ(chosen.illustrations[1].image_sha256(), DigestOf(fakes::TinyBmp(79)));
}

TEST_F(ArticleTest, MaxImagesIsTheMost) {
  cluster_.AddDecoder("d0");
  cluster_.AddEncoder("e0");
  v1::ComposeRequest request = MakeRequest();
  request.set_max_images(1);
  const HeardArticle one = Compose(request);
  ASSERT_TRUE(one.complete()) << one.why();
  ASSERT_EQ(one.illustrations.size(), 1u);
  EXPECT_EQ(one.illustrations[0].after_paragraph(), 2u);  // the model named it first
  request.set_max_images(0);
  const HeardArticle none = Compose(request);
  ASSERT_TRUE(none.complete()) << none.why();
  EXPECT_TRUE(none.placements.empty());
  EXPECT_EQ(none.finished->markdown(),
            "# Beasts\n\nCats sleep all day.\n\nDogs run.\n\nBirds sing.\n\nFish swim.\n");
}

TEST_F(ArticleTest, ALibraryThatFailsCostsPicturesAlone) {
  cluster_.AddDecoder("d0");
  library_.Fail(Unavailable("the cellar is locked"));
  const HeardArticle heard = Compose(MakeRequest());
  ASSERT_TRUE(heard.complete()) << heard.why();
  EXPECT_EQ(heard.placements.size(), 2u);
  EXPECT_TRUE(heard.illustrations.empty());
  EXPECT_EQ(cluster_.Metric("triptych_router_library_searches_total{result=\"failed\"}"), 2);
}

TEST_F(ArticleTest, ABrokenPictureOfTheLibraryIsLeftOut) {
  cluster_.AddDecoder("d0");
  cluster_.AddEncoder("e0");
  library_.Add("a sleeping cat without pixels", fakes::TinyBmp(8).substr(0, 60));
  library_.Add("a cat that is no picture", "meow");
  const HeardArticle heard = Compose(MakeRequest());
  ASSERT_TRUE(heard.complete()) << heard.why();
  ASSERT_EQ(heard.illustrations.size(), 2u);
  EXPECT_EQ(heard.illustrations[0].candidates_size(), 2);
  EXPECT_EQ(heard.illustrations[0].image_sha256(), DigestOf(fakes::TinyBmp(2)));
}

// The first decoder is lost when it has made so many steps: while it writes, finds places,
// captions, or chooses.
class ArticleLossTest : public ArticleTest, public testing::WithParamInterface<int64_t> {};

TEST_P(ArticleLossTest, TheArticleIsTheSame) {
  cluster_.AddEncoder("e0");
  LocalDecoder& first = cluster_.AddDecoder("d0");
  const HeardArticle undisturbed = Compose(MakeRequest());
  ASSERT_TRUE(undisturbed.complete()) << undisturbed.why();
  ASSERT_EQ(undisturbed.illustrations.size(), 2u);
  first.HoldAfter(GetParam());
  const auto call = cluster_.StartArticle(MakeRequest());
  AwaitTrue("the first decoder stands still", [&] { return first.holding(); });
  LocalDecoder& second = cluster_.AddDecoder("d1");
  first.Kill();
  ExpectSame(call->Finish(), undisturbed);
  EXPECT_GE(second.stats().completed, 1u);
  EXPECT_GE(cluster_.Metric("triptych_router_migrations_total"), 1);
}

constexpr int64_t kPlacesSteps = sizeof(kPlaces);
INSTANTIATE_TEST_SUITE_P(InEveryStage,
                         ArticleLossTest,
                         testing::Values(1,
                                         9,
                                         kTextSteps + 2,
                                         kTextSteps + kPlacesSteps + 3,
                                         kTextSteps + kPlacesSteps + 12,
                                         kTextSteps + kPlacesSteps +
                                             sizeof(" a cat on a mat. It sleeps.") + 1));

TEST_F(ArticleTest, CancellingStopsEverything) {
  LocalDecoder& decoder = cluster_.AddDecoder("d0");
  cluster_.AddEncoder("e0");
  for (const int64_t steps : {int64_t{5}, static_cast<int64_t>(kTextSteps + kPlacesSteps + 4)}) {
    decoder.HoldAfter(steps);
    const auto call = cluster_.StartArticle(MakeRequest());
    AwaitTrue("the decoder stands still", [&] { return decoder.holding(); });
    call->Cancel();
    EXPECT_EQ(call->Finish().status.code(), StatusCode::kCancelled);
    decoder.Release();
    cluster_.ExpectNothingLeft();
  }
  EXPECT_EQ(cluster_.Metric("triptych_router_articles_total{outcome=\"cancelled\"}"), 2);
}

TEST_F(ArticleTest, ADeadlineIsKept) {
  LocalDecoder& decoder = cluster_.AddDecoder("d0");
  decoder.HoldAfter(5);
  const auto call = cluster_.StartArticle(MakeRequest(), std::chrono::milliseconds(300));
  EXPECT_EQ(call->Finish().status.code(), StatusCode::kDeadlineExceeded);
}

TEST_F(ArticleTest, ADrainingRouterFinishesWhatItHasBegun) {
  LocalDecoder& decoder = cluster_.AddDecoder("d0");
  cluster_.AddEncoder("e0");
  decoder.HoldAfter(5);
  const auto call = cluster_.StartArticle(MakeRequest());
  AwaitTrue("the decoder stands still", [&] { return decoder.holding(); });
  cluster_.Drain();
  EXPECT_EQ(ReasonOf(Compose(MakeRequest()).status), "DRAINING");
  decoder.Release();
  const HeardArticle& heard = call->Finish();
  ASSERT_TRUE(heard.complete()) << heard.why();
  EXPECT_EQ(heard.illustrations.size(), 2u);
}

TEST_F(ArticleTest, WhatIsWrongWithARequestIsNamed) {
  cluster_.AddDecoder("d0");
  const auto problem = [&](auto change) {
    v1::ComposeRequest request = MakeRequest();
    change(request);
    return Compose(request).status;
  };
  EXPECT_EQ(FieldOf(problem([](auto& r) { r.set_instruction(" \n"); })), "instruction");
  EXPECT_EQ(FieldOf(problem([](auto& r) { r.set_language("en us"); })), "language");
  EXPECT_EQ(FieldOf(problem([](auto& r) { r.set_candidates(17); })), "candidates");
  EXPECT_EQ(FieldOf(problem([](auto& r) { r.set_request_id("a b"); })), "request_id");
  EXPECT_EQ(FieldOf(problem([](auto& r) { r.mutable_sampling()->set_n(2); })), "sampling.n");
  EXPECT_EQ(FieldOf(problem([](auto& r) { r.mutable_sampling()->set_temperature(-1); })),
            "sampling.temperature");
  EXPECT_EQ(FieldOf(problem([](auto& r) { r.add_images()->set_data("no picture"); })), "images[0]");
  EXPECT_EQ(FieldOf(problem([](auto& r) { r.add_images()->set_url("https://x"); })), "images[0]");
  EXPECT_EQ(ReasonOf(problem([](auto& r) { r.add_images()->set_sha256(std::string(64, '0')); })),
            "IMAGE_UNKNOWN");
  EXPECT_EQ(ReasonOf(problem([](auto& r) { r.set_library("attic"); })), "LIBRARY_UNKNOWN");
  EXPECT_EQ(ReasonOf(problem([](auto& r) { r.set_model("another"); })), "MODEL_UNKNOWN");
}

// An article that fills the model's context: prompts that quote it have room for a part of it
// alone.
class ShortArticleTest : public ArticleTest {
 protected:
  ShortArticleTest()
      : ArticleTest({{kInstruction, "Cats sleep."},
                     {"Cats sleep.\n\n", "Dogs run.\nBirds sing."},
                     {"Birds sing.\n\n", "Fish swim.\n\nBees hum.\n"},
                     {"A picture should stand after the paragraphs", " 2"},
                     {"Dogs run.The picture shows", " a dog at play."},
                     {"The most suitable picture is", " A"}}) {}
};

TEST_F(ShortArticleTest, GoesOnAndGetsTheUsualPictures) {
  cluster_.AddDecoder("d0");
  cluster_.AddEncoder("e0");
  v1::ComposeRequest request = MakeRequest();
  request.clear_max_images();
  const HeardArticle heard = Compose(request);
  ASSERT_TRUE(heard.complete()) << heard.why();
  EXPECT_EQ(heard.text, "Cats sleep.\n\nDogs run.\nBirds sing.\n\nFish swim.\n\nBees hum.\n");
  std::set<uint32_t> places;
  for (const v1::Placement& placement : heard.placements) places.insert(placement.after_paragraph());
  EXPECT_EQ(places, (std::set<uint32_t>{1, 3, 4}));
  request.set_max_new_tokens(20);  // leaves no room for a whole paragraph more
  EXPECT_EQ(Compose(request).text, "Cats sleep.");
}

class LongArticleTest : public ArticleTest {
 protected:
  static constexpr int kParagraphs = 12;
  static std::vector<Line> Script() {
    std::string text;
    for (int i = 0; i < kParagraphs; ++i)
      text += fmt::format("Part {}{}\n", i, std::string(315, 'x'));
    return {{kInstruction, text},
            {"A picture should stand after the paragraphs", " 12, 2, 1."},
            {"xThe picture shows", " a cat."},
            {"The most suitable picture is", " B"}};
  }
  LongArticleTest() : ArticleTest(Script()) {}
};

TEST_F(LongArticleTest, IsIllustratedAsFarAsItCanBeShown) {
  cluster_.AddDecoder("d0");
  cluster_.AddEncoder("e0");
  v1::ComposeRequest request = MakeRequest();
  request.set_max_new_tokens(4000);
  const HeardArticle heard = Compose(request);
  ASSERT_TRUE(heard.complete()) << heard.why();
  EXPECT_EQ(router::SplitParagraphs(heard.text).size(), kParagraphs);
  ASSERT_EQ(heard.illustrations.size(), 2u);
  EXPECT_EQ(heard.illustrations[0].after_paragraph(), 0u);
  EXPECT_EQ(heard.illustrations[1].after_paragraph(), 1u);
  EXPECT_EQ(heard.illustrations[0].caption(), "a cat");
}

// A model without a script answers with bytes that are a hash of all that it has seen.
class GarbageArticleTest : public ArticleTest {
 protected:
  GarbageArticleTest() : ArticleTest({}) {}
  HeardArticle ComposeWith(uint64_t seed) {
    v1::ComposeRequest request = MakeRequest();
    request.set_instruction(
        "cat, dog and fish");  // words that the library knows, where no caption does
    request.mutable_sampling()->set_temperature(1);
    request.mutable_sampling()->set_seed(seed);
    request.set_max_images(3);
    request.add_images()->set_data(fakes::TinyBmp(5));
    return Compose(request);
  }
};

TEST_F(GarbageArticleTest, IsWellFormedAndTheSameForTheSameSeed) {
  cluster_.AddDecoder("d0");
  cluster_.AddEncoder("e0");
  std::set<std::string> texts;
  size_t illustrations = 0;
  for (uint64_t seed = 0; seed < 6; ++seed) {
    const HeardArticle heard = ComposeWith(seed);
    ASSERT_TRUE(heard.complete()) << heard.why();
    texts.insert(heard.text);
    const size_t num_paragraphs = router::SplitParagraphs(heard.text).size();
    std::set<uint32_t> places;
    for (const v1::Illustration& illustration : heard.illustrations) {
      EXPECT_LT(illustration.after_paragraph(), num_paragraphs);
      EXPECT_TRUE(places.insert(illustration.after_paragraph()).second);
      EXPECT_LT(illustration.chosen(), static_cast<uint32_t>(illustration.candidates_size()));
    }
    illustrations += heard.illustrations.size();
    EXPECT_TRUE(heard.page.starts_with("<!DOCTYPE html>"));
    EXPECT_TRUE(heard.page.ends_with("</html>\n"));
    if (seed < 2) ExpectSame(ComposeWith(seed), heard);
  }
  EXPECT_EQ(texts.size(), 6u);
  EXPECT_GT(illustrations, 6u);
}

}  // namespace
}  // namespace triptych::cluster_test
