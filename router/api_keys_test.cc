#include "router/api_keys.h"

#include <filesystem>

#include "common/status_reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "router/tenant.h"
#include "tests/fakes/temporary_folder.h"

namespace triptych::router {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// Of "correct-horse-battery" by sha256sum.
constexpr char kHexOfHorse[] = "62249369389075490555a758353aec61500c6218fa597252d52dc4bd0148f12d";

std::string Problem(std::string_view text) { return std::string(Message(ParseApiKeys(text).status())); }

TEST(ParseApiKeys, TakesKeysAndDigestsAmongCommentsAndEmptyLines) {
  const auto keys = ParseApiKeys(
      "# the keys\n\n  alice:0123456789abcdef \r\nbob:with:colons:in-it\n"
      "alice:sha256:FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF");
  ASSERT_TRUE(keys.ok()) << keys.status();
  ASSERT_EQ(keys->size(), 3u);
  EXPECT_EQ((*keys)[0].name, "alice");
  EXPECT_EQ((*keys)[1].name, "bob");
  EXPECT_EQ((*keys)[2].name, "alice");
  EXPECT_EQ((*keys)[2].digest[31], 0xff);
}

TEST(ParseApiKeys, SaysWhichLineIsWrongAndNeverQuotesAKey) {
  const std::string good = "alice:0123456789abcdef\n";
  EXPECT_THAT(Problem("# nobody\n"), HasSubstr("no key"));
  EXPECT_THAT(Problem(good + "a-key-without-name\n"), AllOf(HasSubstr("line 2"), HasSubstr("NAME:KEY"), Not(HasSubstr("a-key"))));
  EXPECT_THAT(Problem(good + "two words:0123456789abcdef"), AllOf(HasSubstr("line 2"), HasSubstr("NAME"), Not(HasSubstr("0123"))));
  EXPECT_THAT(Problem("\nbob:short-secret"), AllOf(HasSubstr("line 2"), HasSubstr("'bob'"), HasSubstr("16"), Not(HasSubstr("secret"))));
  EXPECT_THAT(Problem("bob:secret with spaces in it"), AllOf(HasSubstr("'bob'"), Not(HasSubstr("secret"))));
  EXPECT_THAT(Problem("bob:sha256:abc"), AllOf(HasSubstr("'bob:sha256:'"), HasSubstr("64"), Not(HasSubstr("abc"))));
  EXPECT_THAT(Problem(good + "bob:0123456789abcdef"), AllOf(HasSubstr("line 2"), HasSubstr("'bob'"), HasSubstr("twice")));
}

class ApiKeysTest : public testing::Test {
 protected:
  std::unique_ptr<ApiKeys> Open() { return ApiKeys::Open(path_, /*pause=*/Duration::zero()).value(); }

  fakes::TemporaryFolder folder_;
  const std::string path_ = folder_.Write("keys", std::string("alice:0123456789abcdef\nbob:fedcba9876543210\nalice:sha256:") + kHexOfHorse);
};

TEST_F(ApiKeysTest, AKeyIsItsNamesTenant) {
  const auto keys = Open();
  EXPECT_EQ(keys->TenantOf("Bearer 0123456789abcdef").value(), TenantOfName("alice"));
  EXPECT_EQ(keys->TenantOf("bearer  correct-horse-battery ").value(), TenantOfName("alice"));
  EXPECT_EQ(keys->TenantOf("BEARER fedcba9876543210").value(), TenantOfName("bob"));
}

TEST_F(ApiKeysTest, WhoeverHasNoneIsNobody) {
  const auto keys = Open();
  for (const char* none : {"", "Bearer", "Basic 0123456789abcdef", "0123456789abcdef", "alice"}) {
    const Status status = keys->TenantOf(none).status();
    EXPECT_EQ(status.code(), StatusCode::kUnauthenticated) << none;
    EXPECT_EQ(ReasonOf(status), "NO_API_KEY") << none;
  }
  for (const char* wrong : {"Bearer ", "Bearer alice", "Bearer 0123456789abcdeg", "Bearer 0123456789abcdef 1",
                            "Bearer alice:0123456789abcdef", "Bearer sha256:62249369389075490555a758353aec61500c6218fa597252d52dc4bd0148f12d"}) {
    const Status status = keys->TenantOf(wrong).status();
    EXPECT_EQ(status.code(), StatusCode::kUnauthenticated) << wrong;
    EXPECT_EQ(ReasonOf(status), "INVALID_API_KEY") << wrong;
  }
}

TEST_F(ApiKeysTest, TheFileIsFollowedAndABadOneIsNot) {
  const auto keys = Open();
  folder_.Write("keys", "carol:0123456789abcdef\n");
  EXPECT_EQ(keys->TenantOf("Bearer 0123456789abcdef").value(), TenantOfName("carol"));
  EXPECT_FALSE(keys->TenantOf("Bearer fedcba9876543210").ok());
  folder_.Write("keys", "carol:short\n");
  EXPECT_EQ(keys->TenantOf("Bearer 0123456789abcdef").value(), TenantOfName("carol"));
  std::filesystem::remove(path_);
  EXPECT_EQ(keys->TenantOf("Bearer 0123456789abcdef").value(), TenantOfName("carol"));
}

TEST_F(ApiKeysTest, AMissingFileIsNamed) {
  std::filesystem::remove(path_);
  EXPECT_THAT(std::string(Message(ApiKeys::Open(path_).status())), AllOf(HasSubstr(path_), HasSubstr("No such file")));
}

}  // namespace
}  // namespace triptych::router
