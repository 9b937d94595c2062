#include "router/fetch/public_address.h"

#include <algorithm>
#include <array>

#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

namespace triptych::router {
namespace {

namespace ip = boost::asio::ip;

bool IsPublic(const ip::address_v4& address) {
  static const std::array kOthers = {
      ip::make_network_v4("0.0.0.0/8"),       ip::make_network_v4("10.0.0.0/8"),
      ip::make_network_v4("100.64.0.0/10"),   ip::make_network_v4("127.0.0.0/8"),
      ip::make_network_v4("169.254.0.0/16"),  ip::make_network_v4("172.16.0.0/12"),
      ip::make_network_v4("192.0.0.0/24"),    ip::make_network_v4("192.0.2.0/24"),
      ip::make_network_v4("192.88.99.0/24"),  ip::make_network_v4("192.168.0.0/16"),
      ip::make_network_v4("198.18.0.0/15"),   ip::make_network_v4("198.51.100.0/24"),
      ip::make_network_v4("203.0.113.0/24"),  ip::make_network_v4("224.0.0.0/4"),
      ip::make_network_v4("240.0.0.0/4")};
  return std::ranges::none_of(kOthers, [&](const ip::network_v4& network) {
    return ip::network_v4(address, network.prefix_length()).canonical() == network;
  });
}

bool Holds(const ip::network_v6& network, const ip::address_v6& address) {
  return ip::network_v6(address, network.prefix_length()).canonical() == network;
}

bool IsPublic(const ip::address_v6& address) {
  static const ip::network_v6 kGlobal = ip::make_network_v6("2000::/3");
  static const std::array kOthers = {ip::make_network_v6("2001::/23"),
                                     ip::make_network_v6("2001:db8::/32"),
                                     ip::make_network_v6("2002::/16"),
                                     ip::make_network_v6("3fff::/20")};
  return Holds(kGlobal, address) &&
         std::ranges::none_of(kOthers,
                              [&](const auto& network) { return Holds(network, address); });
}

}  // namespace

bool IsPublicAddress(const ip::address& address) {
  if (address.is_v4()) return IsPublic(address.to_v4());
  const ip::address_v6 v6 = address.to_v6();
  return v6.is_v4_mapped() ? IsPublic(ip::make_address_v4(ip::v4_mapped, v6)) : IsPublic(v6);
}

}  // namespace triptych::router
