#pragma once

#include <chrono>
#include <memory>
#include <string>

namespace triptych::fakes {

// A certificate and its key, as PEM.
struct TestCertificate {
  std::string certificate;
  std::string key;
};

// A certificate authority of a test.
class TestAuthority {
 public:
  TestAuthority();
  ~TestAuthority();

  const std::string& certificate() const { return certificate_; }  // PEM
  // Good for these names ("DNS:triptych-worker,IP:127.0.0.1"), between two times from now.
  TestCertificate Issue(const std::string& names,
                        std::chrono::seconds from = std::chrono::hours(-1),
                        std::chrono::seconds to = std::chrono::hours(1)) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::string certificate_;
};

}  // namespace triptych::fakes
