#include "common/tokenizer/pre_tokenizer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "common/check.h"

namespace triptych {
namespace {

using Behavior = PreTokenizer::Behavior;

constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

struct Span {
  size_t begin;
  size_t end;
  bool matched;
};

// Matches and what lies between them: together the whole text.
std::vector<Span> Spans(const PreTokenizer::Rule& rule, std::string_view text) {
  std::vector<Pattern::Match> matches;
  rule.pattern.FindAll(text, matches);
  std::vector<Span> spans;
  spans.reserve(2 * matches.size() + 1);
  size_t at = 0;
  for (const Pattern::Match& match : matches) {
    if (match.begin > at) spans.push_back({at, match.begin, rule.inverted});
    spans.push_back({match.begin, match.end, !rule.inverted});
    at = match.end;
  }
  if (at < text.size()) spans.push_back({at, text.size(), rule.inverted});
  return spans;
}

// Joins neighbours: with kContiguous those of one kind, otherwise a match with what comes before it in the order of walking, unless that is a
// match as well.
void Join(std::vector<Span>& spans, bool same_kind) {
  std::vector<Span> joined;
  bool previous = false;
  for (const Span& span : spans) {
    const bool join = same_kind ? span.matched == previous : span.matched && !previous;
    previous = span.matched;
    if (join && !joined.empty()) {
      joined.back().begin = std::min(joined.back().begin, span.begin);
      joined.back().end = std::max(joined.back().end, span.end);
    } else {
      joined.push_back(span);
    }
  }
  spans = std::move(joined);
}

std::vector<Span> Cut(const PreTokenizer::Rule& rule, std::string_view text) {
  std::vector<Span> spans = Spans(rule, text);
  switch (rule.behavior) {
    case Behavior::kIsolated: break;
    case Behavior::kRemoved: std::erase_if(spans, [](const Span& span) { return span.matched; }); break;
    case Behavior::kContiguous: Join(spans, /*same_kind=*/true); break;
    case Behavior::kMergedWithPrevious: Join(spans, /*same_kind=*/false); break;
    case Behavior::kMergedWithNext:
      std::ranges::reverse(spans);
      Join(spans, /*same_kind=*/false);
      std::ranges::reverse(spans);
      break;
  }
  return spans;
}

}  // namespace

PreTokenizer::PreTokenizer(std::vector<Rule> rules, const ByteLevel& byte_level)
    : rules_(std::move(rules)), add_prefix_space_(byte_level.add_prefix_space) {
  if (!byte_level.use_regex) return;
  auto pattern = Pattern::FromRegex(kGpt2Pattern);
  TRIPTYCH_CHECK(pattern.ok());
  last_.emplace(Rule{*std::move(pattern)});
}

void PreTokenizer::Split(std::string_view text, const Taker& take) const {
  if (!text.empty()) Apply(0, text, take);
}

void PreTokenizer::Apply(size_t rule, std::string_view text, const Taker& take) const {
  if (rule == rules_.size()) return ApplyByteLevel(text, take);
  for (const Span& span : Cut(rules_[rule], text)) Apply(rule + 1, text.substr(span.begin, span.end - span.begin), take);
}

void PreTokenizer::ApplyByteLevel(std::string_view text, const Taker& take) const {
  std::string prefixed;
  if (add_prefix_space_ && !text.starts_with(' ')) {
    prefixed.reserve(text.size() + 1);
    prefixed += ' ';
    prefixed += text;
    text = prefixed;
  }
  if (!last_) return take(text);
  for (const Span& span : Cut(*last_, text)) take(text.substr(span.begin, span.end - span.begin));
}

}  // namespace triptych
