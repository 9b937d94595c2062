#include "common/tokenizer/added_tokens.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>

namespace triptych {

void AddedTokens::Add(const AddedToken& token) { (token.normalized ? second_ : first_).Add(token); }

std::vector<AddedTokens::Segment> AddedTokens::Cut(std::string_view text, const std::vector<bool>& trusted) const {
  std::vector<Segment> segments = {{0, text.size()}};
  for (const Spellings* spellings : {&first_, &second_}) {
    std::vector<Segment> cut;
    for (Segment rest : segments) {
      while (rest.id < 0) {
        const auto found = spellings->FindNext(text, trusted, rest);
        if (!found) break;
        cut.push_back({rest.begin, found->begin});
        cut.push_back(*found);
        rest.begin = found->end;
      }
      cut.push_back(rest);
    }
    segments = std::move(cut);
  }
  return segments;
}

void AddedTokens::Spellings::Add(const AddedToken& token) {
  entries_.insert_or_assign(token.content, Entry{token.id, token.special});
  starts_[static_cast<uint8_t>(token.content.front())] = true;
  const auto place = std::ranges::lower_bound(sizes_, token.content.size(), std::greater<>());
  if (place == sizes_.end() || *place != token.content.size()) sizes_.insert(place, token.content.size());
}

std::optional<AddedTokens::Segment> AddedTokens::Spellings::FindNext(std::string_view text,
                                                                     const std::vector<bool>& trusted,
                                                                     const Segment& within) const {
  for (Segment rest = within; rest.begin < rest.end; ++rest.begin) {
    if (!starts_[static_cast<uint8_t>(text[rest.begin])]) continue;
    if (const auto found = FindAt(text, trusted, rest)) return found;
  }
  return std::nullopt;
}

std::optional<AddedTokens::Segment> AddedTokens::Spellings::FindAt(std::string_view text,
                                                                   const std::vector<bool>& trusted,
                                                                   const Segment& within) const {
  for (const size_t size : sizes_) {
    if (size > within.end - within.begin) continue;
    const auto entry = entries_.find(text.substr(within.begin, size));
    if (entry == entries_.end()) continue;
    const auto first = trusted.begin() + static_cast<std::ptrdiff_t>(within.begin);
    const bool all_trusted = std::all_of(first, first + static_cast<std::ptrdiff_t>(size), [](bool t) { return t; });
    if (all_trusted || !entry->second.special) return Segment{within.begin, within.begin + size, entry->second.id};
  }
  return std::nullopt;
}

}  // namespace triptych
