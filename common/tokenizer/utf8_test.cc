#include "common/tokenizer/utf8.h"

#include "gtest/gtest.h"

namespace triptych {
namespace {

using Kind = Utf8Step::Kind;

void ExpectStep(std::string_view bytes, Kind kind, size_t size) {
  const Utf8Step step = StepUtf8(bytes);
  EXPECT_EQ(step.kind, kind) << bytes;
  EXPECT_EQ(step.bytes, size) << bytes;
}

TEST(Utf8, StepsOverCharacters) {
  ExpectStep("ab", Kind::kCharacter, 1);
  ExpectStep("\xc3\xa9z", Kind::kCharacter, 2);
  ExpectStep("\xe4\xb8\xad", Kind::kCharacter, 3);
  ExpectStep("\xf0\x9f\x98\x80", Kind::kCharacter, 4);
}

TEST(Utf8, TellsUnfinishedFromInvalid) {
  ExpectStep("\xe4\xb8", Kind::kUnfinished, 2);
  ExpectStep("\xf0\x9f\x98", Kind::kUnfinished, 3);
  ExpectStep("\xf0\x9fz", Kind::kInvalid, 2);
  ExpectStep("\x80", Kind::kInvalid, 1);
  ExpectStep("\xff", Kind::kInvalid, 1);
}

TEST(Utf8, RefusesOverlongSurrogatesAndTooLarge) {
  for (const char* bad : {"\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80"}) {
    EXPECT_FALSE(IsValidUtf8(bad));
  }
  EXPECT_TRUE(IsValidUtf8(""));
  EXPECT_TRUE(IsValidUtf8("A\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80\xef\xbf\xbf"));
  EXPECT_FALSE(IsValidUtf8("ok\xe4\xb8"));
}

}  // namespace
}  // namespace triptych
