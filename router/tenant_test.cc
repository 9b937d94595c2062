#include "router/tenant.h"

#include "gtest/gtest.h"

namespace triptych::router {
namespace {

TEST(Tenant, IsADigestOfTheCredentials) {
  EXPECT_EQ(TenantOf(""), "");
  EXPECT_EQ(TenantOf("Bearer a"), TenantOf("Bearer a"));
  EXPECT_NE(TenantOf("Bearer a"), TenantOf("Bearer b"));
  EXPECT_EQ(TenantOf("Bearer a").find("Bearer"), std::string::npos);
}

TEST(Tenant, OfANameIsNobodysCredentials) {
  EXPECT_NE(TenantOfName("a"), TenantOfName("b"));
  EXPECT_NE(TenantOfName("a"), TenantOf("a"));
  EXPECT_NE(TenantOfName(""), "");
}

TEST(PrefixSalt, KeepsTenantsAndAdaptersApart) {
  EXPECT_NE(PrefixSalt("a", ""), PrefixSalt("b", ""));
  EXPECT_NE(PrefixSalt("a", ""), PrefixSalt("a", "web"));
  EXPECT_NE(PrefixSalt("ab", "c"), PrefixSalt("a", "bc")) << "fields are typed, not joined";
}

}  // namespace
}  // namespace triptych::router
