#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ids.h"
#include "common/string_map.h"

namespace triptych {

struct AddedToken {
  TokenId id = -1;
  std::string content;       // not empty
  bool special = false;      // it acts in trusted text alone
  bool normalized = false;   // it is looked for after those that are not
};

// Cuts the spellings of added tokens out of a text. Immutable once filled.
class AddedTokens {
 public:
  // An added token, or what lies between two of them, which may be empty.
  struct Segment {
    size_t begin = 0;
    size_t end = 0;
    TokenId id = -1;  // -1: text
  };

  void Add(const AddedToken& token);

  // The whole text in segments. Spellings are taken from the left, the longest first; special ones only where all their bytes are trusted.
  std::vector<Segment> Cut(std::string_view text, const std::vector<bool>& trusted) const;

 private:
  class Spellings {
   public:
    void Add(const AddedToken& token);
    std::optional<Segment> FindNext(std::string_view text, const std::vector<bool>& trusted, const Segment& within) const;

   private:
    struct Entry {
      TokenId id;
      bool special;
    };
    std::optional<Segment> FindAt(std::string_view text, const std::vector<bool>& trusted, const Segment& within) const;

    StringMap<Entry> entries_;
    std::vector<size_t> sizes_;       // distinct, longest first
    std::array<bool, 256> starts_{};  // by first byte
  };

  Spellings first_;
  Spellings second_;  // normalized ones
};

}  // namespace triptych
