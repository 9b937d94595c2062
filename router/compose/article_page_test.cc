#include "router/compose/article_page.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "router/base64.h"

namespace triptych::router {
namespace {

using testing::HasSubstr;
using testing::Not;

PagePicture Picture(int32_t place, std::string caption) {
  return {.after_paragraph = place,
          .caption = std::move(caption),
          .url = "/v1/pictures/12",
          .media_type = "image/png",
          .file = std::make_shared<const std::string>("file")};
}

std::string Joined(const ArticlePageContent& article) {
  std::string html;
  for (const HtmlPart& part : RenderHtml(article))
    html += part.file ? Base64(*part.file) : part.text;
  return html;
}

TEST(ArticlePageTest, PicturesStandBehindTheirParagraphs) {
  ArticlePageContent article{.title = {"Cats", false}, .paragraphs = {"One", "Two", "Three"}};
  article.pictures = {Picture(0, "a cat"), Picture(2, "")};
  article.pictures[0].licence = "CC BY 4.0";
  article.pictures[0].source = "https://example.org/cat";
  EXPECT_EQ(RenderMarkdown(article),
            "# Cats\n\nOne\n\n![a "
            "cat](/v1/pictures/12)\n\nTwo\n\nThree\n\n![](/v1/pictures/12)\n\n---\n\n"
            "- a cat: https://example.org/cat, CC BY 4.0\n");
  const std::string html = Joined(article);
  EXPECT_THAT(
      html,
      HasSubstr("<h1>Cats</h1>\n<p>One</p>\n<figure><img alt=\"a cat\" "
                "src=\"data:image/png;base64,ZmlsZQ==\">"
                "<figcaption>a cat</figcaption></figure>\n<p>Two</p>\n<p>Three</p>\n<figure>"));
  EXPECT_THAT(html, HasSubstr("<li>a cat: https://example.org/cat, CC BY 4.0</li>"));
  EXPECT_TRUE(html.starts_with("<!DOCTYPE html>\n<html>\n"));
  EXPECT_TRUE(html.ends_with("</html>\n"));
}

TEST(ArticlePageTest, ATitleThatIsTheFirstParagraphStandsOnce) {
  const ArticlePageContent article{.title = {"Cats", true},
                                   .paragraphs = {"# Cats", "They **purr**.", "## More", "** open"},
                                   .language = "en"};
  EXPECT_EQ(RenderMarkdown(article), "# Cats\n\nThey **purr**.\n\n## More\n\n** open\n");
  const std::string html = Joined(article);
  EXPECT_THAT(html, HasSubstr("<html lang=\"en\">"));
  EXPECT_THAT(
      html,
      HasSubstr(
          "<h1>Cats</h1>\n<p>They <strong>purr</strong>.</p>\n<h2>More</h2>\n<p>** open</p>"));
}

TEST(ArticlePageTest, NoMarkupOfAModelGetsThrough) {
  ArticlePageContent article{.title = {"<script>alert(1)</script>", false},
                             .paragraphs = {"<img src=x onerror=alert(1)> & \"so\" on"}};
  article.pictures = {Picture(0, "x\"><script>alert(2)</script>](javascript:alert(3))\n# y")};
  for (const std::string& text : {Joined(article), RenderMarkdown(article)}) {
    EXPECT_THAT(text, Not(HasSubstr("<script")));
    EXPECT_THAT(text, Not(HasSubstr("<img src=x")));
  }
  EXPECT_THAT(Joined(article), HasSubstr("alt=\"x&quot;&gt;&lt;script"));
  EXPECT_THAT(RenderMarkdown(article), HasSubstr("\\](javascript:alert(3)) # y](/v1/pictures/12)"));
}

TEST(ArticlePageTest, AnEmptyArticleIsAPageToo) {
  const ArticlePageContent article{.title = {"Nothing", false}};
  EXPECT_EQ(RenderMarkdown(article), "# Nothing\n");
  EXPECT_THAT(Joined(article), HasSubstr("<h1>Nothing</h1>\n</article>\n</body>"));
}

}  // namespace
}  // namespace triptych::router
