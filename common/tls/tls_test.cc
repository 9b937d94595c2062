#include <filesystem>

#include "common/tls/tls_files.h"
#include "common/tls/tls_source.h"
#include "common/tls/watched_files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/temporary_folder.h"
#include "tests/fakes/test_certificate.h"

namespace triptych {
namespace {

using fakes::TestCertificate;
using std::chrono::hours;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class TlsFilesTest : public testing::Test {
 protected:
  void Put(const TestCertificate& issued) {
    folder_.Write("tls.crt", issued.certificate);
    folder_.Write("tls.key", issued.key);
  }
  std::string Problem() const { return std::string(Message(ReadTlsMaterial(files_).status())); }

  fakes::TemporaryFolder folder_;
  fakes::TestAuthority authority_;
  const std::string ca_ = folder_.Write("ca.crt", authority_.certificate());
  const TlsFiles files_{folder_.File("tls.crt"), folder_.File("tls.key"), ca_};
};

TEST_F(TlsFilesTest, FilesThatFitAreTaken) {
  const TestCertificate issued = authority_.Issue("DNS:localhost");
  Put({issued.certificate + authority_.certificate(), issued.key});  // with its chain
  const auto material = ReadTlsMaterial(files_);
  ASSERT_TRUE(material.ok()) << material.status();
  EXPECT_EQ(material->key, issued.key);
  EXPECT_EQ(material->ca, authority_.certificate());
  EXPECT_THAT(material->expires, HasSubstr("GMT"));
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  EXPECT_NEAR(static_cast<double>(material->expires_at), static_cast<double>(now) + 3600, 120);
}

TEST_F(TlsFilesTest, WhatIsWrongIsNamedWithItsFile) {
  const TestCertificate good = authority_.Issue("DNS:localhost"), other = authority_.Issue("DNS:localhost");
  EXPECT_THAT(Problem(), AllOf(HasSubstr("tls.crt"), HasSubstr("No such file")));
  Put({"", good.key});
  EXPECT_THAT(Problem(), AllOf(HasSubstr("tls.crt"), HasSubstr("empty")));
  Put({"a certificate", good.key});
  EXPECT_THAT(Problem(), AllOf(HasSubstr("tls.crt"), HasSubstr("no certificate in PEM")));
  Put({good.certificate + good.certificate.substr(0, good.certificate.size() / 2), good.key});
  EXPECT_THAT(Problem(), AllOf(HasSubstr("tls.crt"), HasSubstr("certificate 2 is broken")));
  Put({good.certificate, "a secret"});
  EXPECT_THAT(Problem(), AllOf(HasSubstr("tls.key"), HasSubstr("no private key in PEM"), Not(HasSubstr("secret"))));
  Put({good.certificate, other.key});
  EXPECT_THAT(Problem(), AllOf(HasSubstr("tls.key"), HasSubstr("not that of the certificate"), HasSubstr("tls.crt")));
  Put(authority_.Issue("DNS:localhost", hours(-2), hours(-1)));
  EXPECT_THAT(Problem(), AllOf(HasSubstr("tls.crt"), HasSubstr("has expired")));
  Put(authority_.Issue("DNS:localhost", hours(1), hours(2)));
  EXPECT_THAT(Problem(), AllOf(HasSubstr("tls.crt"), HasSubstr("not valid before")));
  Put(good);
  folder_.Write("ca.crt", good.key);
  EXPECT_THAT(Problem(), AllOf(HasSubstr("ca.crt"), HasSubstr("no certificate in PEM")));
}

TEST_F(TlsFilesTest, AKeyUnderAPassphraseIsRefusedAndNobodyIsAsked) {
  Put({authority_.Issue("DNS:localhost").certificate,
       "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0123456789ABCDEF0123456789ABCDEF\n\n"
       "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n-----END RSA PRIVATE KEY-----\n"});
  EXPECT_THAT(Problem(), AllOf(HasSubstr("tls.key"), HasSubstr("passphrase")));
}

TEST(TlsFiles, AreGivenTogetherOrNotAtAll) {
  const auto problem = [](const TlsFiles& files, bool needs_ca) {
    return std::string(Message(CheckTlsFiles("tls", "ca", files, needs_ca)));
  };
  EXPECT_EQ(problem({}, true), "");
  EXPECT_EQ(problem({"a", "b", ""}, false), "");
  EXPECT_EQ(problem({"a", "b", "c"}, true), "");
  EXPECT_THAT(problem({"a", "b", ""}, true), HasSubstr("tls.ca"));
  EXPECT_THAT(problem({"a", "", "c"}, true), HasSubstr("tls.key"));
  EXPECT_THAT(problem({"", "", "c"}, false), HasSubstr("tls.certificate"));
}

TEST_F(TlsFilesTest, ASourceFollowsGoodFilesAndKeepsThemBeforeBadOnes) {
  const auto open = [&] { return TlsSource::Open("tls", files_, /*pause=*/Duration::zero()); };
  EXPECT_THAT(std::string(Message(open().status())), AllOf(HasSubstr("tls: "), HasSubstr("tls.crt")));
  Put(authority_.Issue("DNS:localhost"));
  const std::shared_ptr<TlsSource> source = open().value();
  const auto first = source->Current();
  EXPECT_EQ(source->Current(), first);
  const TestCertificate next = authority_.Issue("DNS:localhost");
  folder_.Write("tls.crt", next.certificate);  // for a moment, the key is that of the former
  EXPECT_EQ(source->Current(), first);
  folder_.Write("tls.key", next.key);
  EXPECT_EQ(source->Current()->certificate, next.certificate);
  std::filesystem::remove(files_.certificate);
  EXPECT_EQ(source->Current()->certificate, next.certificate);
}

TEST(TlsSource, IsNoneWithoutFiles) { EXPECT_EQ(TlsSource::Open("tls", {}).value(), nullptr); }

TEST(WatchedFiles, AreLookedAtAfterAPauseAndTellEachChangeOnce) {
  fakes::TemporaryFolder folder;
  const std::string path = folder.Write("a", "1");
  WatchedFiles watched({path}, std::chrono::seconds(1));
  const TimePoint begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(watched.Changed(begin));
  folder.Write("a", "22");
  EXPECT_FALSE(watched.Changed(begin + std::chrono::milliseconds(999)));
  EXPECT_TRUE(watched.Changed(begin + std::chrono::seconds(1)));
  EXPECT_FALSE(watched.Changed(begin + std::chrono::seconds(2)));
  // As Kubernetes swaps a secret: another file behind a link.
  std::filesystem::rename(path, folder.File("b"));
  std::filesystem::create_symlink(folder.Write("c", "22"), path);
  EXPECT_TRUE(watched.Changed(begin + std::chrono::seconds(3)));
  std::filesystem::remove(path);
  EXPECT_TRUE(watched.Changed(begin + std::chrono::seconds(4)));
}

}  // namespace
}  // namespace triptych
