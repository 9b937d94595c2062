#include "router/compose/article_page.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"

namespace triptych::router {
namespace {

std::string EscapeHtml(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

// For a Markdown renderer that lets HTML through.
std::string WithoutTags(std::string_view text) {
  std::string plain;
  for (const char c : text) plain += c == '<' ? std::string("&lt;") : std::string(1, c);
  return plain;
}

// In one line, with no bracket that could end a link's text.
std::string LinkText(std::string_view text) {
  std::string plain;
  for (const char c : WithoutTags(text)) {
    if (c == '[' || c == ']' || c == '\\') plain += '\\';
    plain += c == '\n' ? ' ' : c;
  }
  return plain;
}

// Pairs of "**" become <strong>; `html` is escaped already.
std::string WithStrong(std::string html) {
  constexpr std::string_view kMark = "**";
  for (size_t begin = html.find(kMark); begin != std::string::npos;
       begin = html.find(kMark, begin)) {
    const size_t end = html.find(kMark, begin + kMark.size());
    if (end == std::string::npos) break;
    html.replace(end, kMark.size(), "</strong>");
    html.replace(begin, kMark.size(), "<strong>");
  }
  return html;
}

std::string HtmlParagraph(std::string_view paragraph) {
  const size_t level = HeadingLevel(paragraph);
  if (level == 0) return fmt::format("<p>{}</p>\n", WithStrong(EscapeHtml(paragraph)));
  const size_t shown = std::max<size_t>(level, 2);  // the first is the title's
  return fmt::format(
      "<h{}>{}</h{}>\n", shown, WithStrong(EscapeHtml(TrimSpace(paragraph.substr(level)))), shown);
}

// "Caption: source, licence", one for each picture that has any of the two; each only once.
std::vector<std::string> Credits(const ArticlePageContent& article) {
  std::vector<std::string> credits;
  for (const PagePicture& picture : article.pictures) {
    if (picture.licence.empty() && picture.source.empty()) continue;
    std::string credit = picture.caption.empty() ? "" : picture.caption + ": ";
    credit += picture.source;
    if (!picture.licence.empty()) credit += (picture.source.empty() ? "" : ", ") + picture.licence;
    if (std::ranges::find(credits, credit) == credits.end()) credits.push_back(std::move(credit));
  }
  return credits;
}

constexpr char kStyle[] =
    "body{max-width:42rem;margin:2rem auto;padding:0 1rem;font:1.1rem/1.6 "
    "Georgia,serif;color:#222;background:#fff}"
    "h1,h2,h3{line-height:1.25}figure{margin:1.5rem "
    "0;text-align:center}img{max-width:100%;height:auto}"
    "figcaption,footer{font-size:.85rem;color:#666}";

}  // namespace

std::string RenderMarkdown(const ArticlePageContent& article) {
  std::string text = fmt::format("# {}\n", WithoutTags(article.title.text));
  auto picture = article.pictures.begin();
  for (size_t i = 0; i < article.paragraphs.size(); ++i) {
    if (i > 0 || !article.title.is_first_paragraph)
      text += fmt::format("\n{}\n", WithoutTags(article.paragraphs[i]));
    for (; picture != article.pictures.end() && picture->after_paragraph == static_cast<int32_t>(i);
         ++picture) {
      text += fmt::format("\n![{}]({})\n", LinkText(picture->caption), picture->url);
    }
  }
  const std::vector<std::string> credits = Credits(article);
  if (!credits.empty()) text += "\n---\n\n";
  for (const std::string& credit : credits) text += fmt::format("- {}\n", LinkText(credit));
  return text;
}

std::vector<HtmlPart> RenderHtml(const ArticlePageContent& article) {
  const std::string language =
      article.language.empty() ? "" : fmt::format(" lang=\"{}\"", article.language);
  const std::string title = EscapeHtml(article.title.text);
  std::vector<HtmlPart> parts;
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html{}>\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
      "style-src 'unsafe-inline'\">\n"
      "<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n<article>\n<h1>{}</h1>\n",
      language,
      title,
      kStyle,
      title);
  auto picture = article.pictures.begin();
  for (size_t i = 0; i < article.paragraphs.size(); ++i) {
    if (i > 0 || !article.title.is_first_paragraph) html += HtmlParagraph(article.paragraphs[i]);
    for (; picture != article.pictures.end() && picture->after_paragraph == static_cast<int32_t>(i);
         ++picture) {
      const std::string caption = EscapeHtml(picture->caption);
      html += fmt::format(
          "<figure><img alt=\"{}\" src=\"data:{};base64,", caption, picture->media_type);
      parts.push_back({.text = std::exchange(html, {})});
      parts.push_back({.file = picture->file});
      html = caption.empty() ? "\"></figure>\n"
                             : fmt::format("\"><figcaption>{}</figcaption></figure>\n", caption);
    }
  }
  html += "</article>\n";
  const std::vector<std::string> credits = Credits(article);
  if (!credits.empty()) html += "<footer><ul>\n";
  for (const std::string& credit : credits)
    html += fmt::format("<li>{}</li>\n", EscapeHtml(credit));
  if (!credits.empty()) html += "</ul></footer>\n";
  parts.push_back({.text = html + "</body>\n</html>\n"});
  return parts;
}

}  // namespace triptych::router
