#include "common/tokenizer/pattern.h"

#include <array>

#include "common/check.h"
#include "common/tokenizer/oniguruma_syntax.h"
#include "common/tokenizer/unicode_additions.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace triptych {
namespace {

constexpr size_t kMaxPatternBytes = 16 << 10;
constexpr uint32_t kMaxSteps = 100'000'000;
constexpr uint32_t kMaxHeapKib = 256 << 10;

struct FreeData {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

struct FreeCompileContext {
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
};

PCRE2_SPTR Units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

std::string ErrorText(int error) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(error, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

}  // namespace

void Pattern::Free::operator()(pcre2_code* code) const { pcre2_code_free(code); }
void Pattern::Free::operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }

StatusOr<Pattern> Pattern::FromRegex(std::string_view regex) {
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string translated, OnigurumaToPcre2(regex));
  return Compile(translated, PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C);
}

StatusOr<Pattern> Pattern::FromText(std::string_view text) { return Compile(text, PCRE2_UTF | PCRE2_LITERAL); }

StatusOr<Pattern> Pattern::Compile(std::string_view source, uint32_t options) {
  if (source.size() > kMaxPatternBytes) return FailedPrecondition("it has {} bytes, at most {}", source.size(), kMaxPatternBytes);
  const std::unique_ptr<pcre2_compile_context, FreeCompileContext> context(pcre2_compile_context_create(nullptr));
  TRIPTYCH_CHECK(context != nullptr);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  Pattern pattern;
  int error = 0;
  size_t at = 0;
  pattern.code_.reset(pcre2_compile(Units(source), source.size(), options, &error, &at, context.get()));
  if (!pattern.code_) return FailedPrecondition("PCRE2 says: {}, at byte {} of {}", ErrorText(error), at, source);
  uint32_t may_match_nothing = 0;
  pcre2_pattern_info(pattern.code_.get(), PCRE2_INFO_MATCHEMPTY, &may_match_nothing);
  if (may_match_nothing != 0) return FailedPrecondition("it may match nothing at all");
  pcre2_jit_compile(pattern.code_.get(), PCRE2_JIT_COMPLETE);  // where it fails, matching is slower and the same
  pattern.limits_.reset(pcre2_match_context_create(nullptr));
  TRIPTYCH_CHECK(pattern.limits_ != nullptr);
  pcre2_set_match_limit(pattern.limits_.get(), kMaxSteps);
  pcre2_set_heap_limit(pattern.limits_.get(), kMaxHeapKib);
  return pattern;
}

void Pattern::FindAll(std::string_view text, std::vector<Match>& matches) const {
  const std::optional<std::string> replaced = ReplaceAdditions(text);
  const std::string_view subject = replaced ? *replaced : text;
  const std::unique_ptr<pcre2_match_data, FreeData> data(pcre2_match_data_create(1, nullptr));
  TRIPTYCH_CHECK(data != nullptr);
  const auto find = [&](size_t from, uint32_t options) {
    return pcre2_match(
        code_.get(), Units(subject), subject.size(), from, options | PCRE2_NO_UTF_CHECK, data.get(), limits_.get());
  };
  for (size_t from = 0; from < subject.size();) {
    int found = find(from, 0);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = find(from, PCRE2_NO_JIT);
    if (found < 0) return;
    const size_t* ends = pcre2_get_ovector_pointer(data.get());
    matches.push_back({ends[0], ends[1]});
    from = ends[1];
  }
}

}  // namespace triptych
