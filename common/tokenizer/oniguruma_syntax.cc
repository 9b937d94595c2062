#include "common/tokenizer/oniguruma_syntax.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "common/tokenizer/utf8.h"

namespace triptych {
namespace {

constexpr std::array<std::string_view, 37> kCategories = {
    "C",  "Cc", "Cf", "Cn", "Co", "Cs", "L",  "Ll", "Lm", "Lo", "Lt", "Lu", "M",  "Mc", "Me", "Mn", "N",  "Nd",
    "Nl", "No", "P",  "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S",  "Sc", "Sk", "Sm", "So", "Z",  "Zl", "Zp", "Zs"};
constexpr std::array<std::string_view, 7> kGroups = {"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!", "(?i:"};

// Without case, Oniguruma takes each of these for one character as well (ß, ﬆ, the ligatures of f), PCRE2 does not.
constexpr std::array<std::string_view, 5> kFoldedPairs = {"ss", "st", "ff", "fi", "fl"};

bool IsDigit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }
bool IsHexDigit(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }
bool IsAlphanumeric(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }
bool IsNameCharacter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; }

class Translator {
 public:
  explicit Translator(std::string_view regex) : rest_(regex) {}

  StatusOr<std::string> Run() {
    while (!rest_.empty()) TRIPTYCH_RETURN_IF_ERROR(Next());
    return std::move(out_);
  }

 private:
  Status Next() {
    if (rest_.front() == '\\') return Escape();
    if (in_set_) return SetItem();
    switch (rest_.front()) {
      case '[': return OpenSet();
      case '(': return Group();
      case '{': return Interval();
      case '^':
      case '$': return Refuse(1);
      default: return Replace(1, rest_.substr(0, 1));
    }
  }

  Status Escape() {
    if (rest_.size() < 2) return FailedPrecondition("it ends in a backslash");
    switch (rest_[1]) {
      case 's': return Replace(2, "\\p{White_Space}");
      case 'S': return Replace(2, "\\P{White_Space}");
      case 'd': return Replace(2, "\\p{Nd}");
      case 'D': return Replace(2, "\\P{Nd}");
      case 'v': return Replace(2, "\\x0b");
      case 't':
      case 'n':
      case 'r':
      case 'f': return Replace(2, rest_.substr(0, 2));
      case 'p':
      case 'P': return Property();
      case 'u': return CodePoint();
      default: return IsAlphanumeric(rest_[1]) ? Refuse(2) : Replace(2, rest_.substr(0, 2));
    }
  }

  // A category stays; any other name is a script's.
  Status Property() {
    const size_t end = rest_.find('}');
    if (rest_.size() < 4 || rest_[2] != '{' || end == std::string_view::npos) return Refuse(3);
    const std::string_view name = rest_.substr(3, end - 3);
    if (name.empty() || !std::ranges::all_of(name, IsNameCharacter)) return Refuse(end + 1);
    if (std::ranges::find(kCategories, name) != kCategories.end()) return Replace(end + 1, rest_.substr(0, end + 1));
    return Replace(end + 1, fmt::format("{}{{sc:{}}}", rest_.substr(0, 2), name));
  }

  Status CodePoint() {
    const std::string_view digits = rest_.substr(2, 4);
    if (digits.size() < 4 || !std::ranges::all_of(digits, IsHexDigit)) return Refuse(2);
    return Replace(6, fmt::format("\\x{{{}}}", digits));
  }

  Status OpenSet() {
    const size_t size = rest_.starts_with("[^") ? 2 : 1;
    if (rest_.size() > size && rest_[size] == ']') return Refuse(size + 1);
    in_set_ = true;
    return Replace(size, rest_.substr(0, size));
  }

  Status SetItem() {
    if (rest_.front() == '[') return Refuse(1, " within a set");
    if (rest_.starts_with("&&")) return Refuse(2, " within a set");
    if (rest_.front() == ']') in_set_ = false;
    return Replace(1, rest_.substr(0, 1));
  }

  Status Group() {
    if (rest_.starts_with("(*")) return Refuse(2);
    if (!rest_.starts_with("(?")) return Replace(1, "(");
    for (const std::string_view group : kGroups) {
      if (rest_.starts_with(group)) return Replace(group.size(), group);
    }
    return Refuse(4);
  }

  // {n}, {n,} or {n,m}.
  Status Interval() {
    const size_t end = rest_.find('}');
    if (end == std::string_view::npos) return Refuse(1);
    const std::string_view inner = rest_.substr(1, end - 1);
    const size_t comma = std::min(inner.find(','), inner.size());
    const std::string_view most = inner.substr(std::min(comma + 1, inner.size()));
    const bool shaped = comma > 0 && std::ranges::all_of(inner.substr(0, comma), IsDigit) && std::ranges::all_of(most, IsDigit);
    const bool plain = end + 1 == rest_.size() || (rest_[end + 1] != '+' && rest_[end + 1] != '?');
    return shaped && plain ? Replace(end + 1, rest_.substr(0, end + 1)) : Refuse(end + 2);
  }

  Status Replace(size_t size, std::string_view by) {
    out_ += by;
    rest_.remove_prefix(size);
    return OkStatus();
  }

  // Names the next `size` bytes, or more where they would end within a character.
  Status Refuse(size_t size, std::string_view where = {}) const {
    while (size < rest_.size() && !IsValidUtf8(rest_.substr(0, size))) ++size;
    return FailedPrecondition("'{}'{} is not supported", rest_.substr(0, size), where);
  }

  std::string_view rest_;
  std::string out_;
  bool in_set_ = false;
};

}  // namespace

StatusOr<std::string> OnigurumaToPcre2(std::string_view regex) {
  std::string lower(regex);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const bool ignores_case = lower.find("(?i:") != std::string::npos;
  for (const std::string_view pair : kFoldedPairs) {
    if (ignores_case && lower.find(pair) != std::string::npos) return FailedPrecondition("'{}' beside '(?i:' is not supported", pair);
  }
  return Translator(regex).Run();
}

}  // namespace triptych
