#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "router/compose/article_text.h"

namespace triptych::router {

// A picture in its place.
struct PagePicture {
  int32_t after_paragraph = 0;
  std::string caption;     // may be empty
  std::string url;         // for Markdown
  std::string media_type;  // for the page, as the file
  std::shared_ptr<const std::string> file;
  std::string licence, source;  // may be empty
};

// A finished article. Its paragraphs may hold Markdown's headings ("# ") and strong words ("**");
// everything else in them is only text, whatever a model wrote: no markup gets through to a
// reader's browser.
struct ArticlePageContent {
  Title title;
  std::vector<std::string> paragraphs;
  std::vector<PagePicture> pictures;  // by rising place
  std::string language;               // BCP 47, checked; may be empty
};

// Pictures by their urls; credits at the end, where there are any.
std::string RenderMarkdown(const ArticlePageContent& article);

// A part of a page: text, or a file that stands there in Base64.
struct HtmlPart {
  std::string text;
  std::shared_ptr<const std::string> file;
};
// The parts of one HTML file that needs nothing else: the pictures are inside.
std::vector<HtmlPart> RenderHtml(const ArticlePageContent& article);

}  // namespace triptych::router
