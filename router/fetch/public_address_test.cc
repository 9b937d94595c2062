#include "router/fetch/public_address.h"

#include "gtest/gtest.h"

namespace triptych::router {
namespace {

bool IsPublic(const char* text) { return IsPublicAddress(boost::asio::ip::make_address(text)); }

TEST(PublicAddressTest, AddressesOfTheInternetArePublic) {
  for (const char* text : {"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
                           "172.15.255.255", "172.32.0.0", "192.167.0.1", "192.169.0.1",
                           "223.255.255.255", "2606:4700::1", "2a00::1", "::ffff:1.1.1.1"})
    EXPECT_TRUE(IsPublic(text)) << text;
}

TEST(PublicAddressTest, AllOthersAreNot) {
  for (const char* text :
       {"0.0.0.0",      "10.0.0.1",     "100.64.0.1",   "127.0.0.1",     "127.255.255.255",
        "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1",  "192.0.2.1",
        "192.168.1.1",  "198.18.0.1",   "198.19.255.255", "198.51.100.7", "203.0.113.9",
        "224.0.0.1",    "240.0.0.1",    "255.255.255.255", "::",         "::1",
        "fe80::1",      "fc00::1",      "fd12:3456::1", "ff02::1",       "2001:db8::1",
        "2001::1",      "2002:7f00:1::", "3fff::1",     "64:ff9b::7f00:1", "::ffff:127.0.0.1",
        "::ffff:169.254.169.254", "::127.0.0.1"})
    EXPECT_FALSE(IsPublic(text)) << text;
}

}  // namespace
}  // namespace triptych::router
