#pragma once

#include <boost/asio/ip/address.hpp>

namespace triptych::router {

// Whether an address belongs to the public internet: not to this machine, a private or local
// network, a documentation or benchmarking range, a multicast group, nor to a range that wraps IPv4
// addresses, which could stand for any of these (IANA's special-purpose address registries, RFC
// 6890). An IPv4 address mapped into IPv6 is judged as the IPv4 address.
bool IsPublicAddress(const boost::asio::ip::address& address);

}  // namespace triptych::router
