#include "worker/weights/zip_archive.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/zip_writer.h"

namespace triptych::weights {
namespace {

using ::testing::HasSubstr;

std::span<const std::byte> BytesOf(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string Read(const ZipArchive& zip, std::string_view name) {
  const ZipEntry* entry = zip.Find(name);
  if (entry == nullptr) return "absent";
  const auto bytes = zip.CheckedBytesOf(*entry);
  if (!bytes.ok()) return "broken";
  return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
}

std::string Refusal(const std::string& file) {
  const auto zip = ZipArchive::Parse(BytesOf(file));
  EXPECT_EQ(zip.status().code(), StatusCode::kFailedPrecondition);
  return std::string(Message(zip.status()));
}

TEST(ZipArchiveTest, ReadsStoredEntries) {
  fakes::ZipWriter writer;
  writer.Add("a/x", "first").Add("a/y", "").Add("a/z", "third", {.flags = 0x0808});
  for (const bool zip64 : {false, true}) {
    const std::string file = writer.Bytes(zip64);
    const auto zip = ZipArchive::Parse(BytesOf(file));
    ASSERT_TRUE(zip.ok()) << zip.status();
    EXPECT_EQ(zip->entries().size(), 3u);
    EXPECT_EQ(Read(*zip, "a/x"), "first");
    EXPECT_EQ(Read(*zip, "a/y"), "");
    EXPECT_EQ(Read(*zip, "a/z"), "third");
    EXPECT_EQ(zip->Find("a/w"), nullptr);
  }
}

TEST(ZipArchiveTest, ReadsSizesAndPlacesOf64Bits) {
  const std::string file = fakes::ZipWriter()
                               .Add("x", "first")
                               .Add("y", "second", {.zip64 = true})
                               .Bytes(/*zip64=*/true);
  const auto zip = ZipArchive::Parse(BytesOf(file));
  ASSERT_TRUE(zip.ok()) << zip.status();
  EXPECT_EQ(Read(*zip, "y"), "second");
}

TEST(ZipArchiveTest, AnEmptyArchiveHasNoEntries) {
  const std::string file = fakes::ZipWriter().Bytes();
  const auto zip = ZipArchive::Parse(BytesOf(file));
  ASSERT_TRUE(zip.ok()) << zip.status();
  EXPECT_TRUE(zip->entries().empty());
}

TEST(ZipArchiveTest, SeesAWrongChecksum) {
  const std::string file = fakes::ZipWriter().Add("x", "first", {.wrong_checksum = true}).Bytes();
  const auto zip = ZipArchive::Parse(BytesOf(file));
  ASSERT_TRUE(zip.ok()) << zip.status();
  const auto bytes = zip->CheckedBytesOf(*zip->Find("x"));
  EXPECT_THAT(std::string(Message(bytes.status())), HasSubstr("'x'"));
}

TEST(ZipArchiveTest, ChecksumsAreThoseOfZip) {
  EXPECT_EQ(Crc32(BytesOf("123456789")), 0xcbf43926u);  // the polynomial's published check value
  EXPECT_EQ(Crc32({}), 0u);
}

struct BadEntry {
  const char* what;
  fakes::ZipEntryOptions options;
  const char* message;  // a part of it
};

TEST(ZipArchiveTest, RefusesWhatIsNotStoredAsItIs) {
  const std::vector<BadEntry> bad = {
      {"deflate", {.method = 8}, "'x' is compressed (method 8)"},
      {"encrypted", {.flags = 1}, "'x' has flags 0x1"},
      {"patched", {.flags = 0x20}, "'x' has flags 0x20"},
      {"runs into the directory", {.claimed_more = 1}, "'x': 6 bytes are claimed, 5 are there"},
      {"huge", {.zip64 = true, .claimed_more = int64_t{1} << 62}, "'x'"},
      {"size wraps around", {.zip64 = true, .claimed_more = -6}, "'x'"},
      {"header in the directory", {.header_shift = 36}, "not before the directory"},
      {"header far away", {.zip64 = true, .header_shift = int64_t{1} << 62}, "not before"},
      {"header elsewhere", {.header_shift = 1}, "is not what the directory says"},
      {"header before the file", {.zip64 = true, .header_shift = -1}, "not before the directory"},
      {"other name", {.local_name = "y"}, "is not what the directory says"},
  };
  for (const BadEntry& entry : bad) {
    const std::string file = fakes::ZipWriter().Add("x", "first", entry.options).Bytes();
    EXPECT_THAT(Refusal(file), HasSubstr(entry.message)) << entry.what;
  }
}

TEST(ZipArchiveTest, RefusesEntriesThatShareBytes) {
  // The kernel of a zip bomb: a long entry whose bytes hold others.
  EXPECT_THAT(
      Refusal(fakes::ZipWriter().Add("y", "second", {.claimed_more = 3}).Add("x", "").Bytes()),
      HasSubstr("'y' and 'x' overlap"));
  // Twice the same place: the second name's own header is the first's.
  const int64_t back = -(30 + 1 + 5);
  EXPECT_THAT(
      Refusal(
          fakes::ZipWriter().Add("x", "first").Add("x", "first", {.header_shift = back}).Bytes()),
      HasSubstr("overlap"));
  EXPECT_THAT(Refusal(fakes::ZipWriter().Add("x", "1").Add("x", "2").Bytes()), HasSubstr("twice"));
}

TEST(ZipArchiveTest, RefusesWhatFollowsOrIsMissing) {
  for (const bool zip64 : {false, true}) {
    const std::string file = fakes::ZipWriter().Add("x", "first").Bytes(zip64);
    EXPECT_NE(Refusal(file + "x"), "");
    for (size_t size = 0; size < file.size(); ++size) EXPECT_NE(Refusal(file.substr(0, size)), "");
    for (size_t begin = 1; begin < file.size(); ++begin) EXPECT_NE(Refusal(file.substr(begin)), "");
  }
}

TEST(ZipArchiveTest, TheDirectoryMustBeWhatItClaims) {
  const std::string file = fakes::ZipWriter().Add("x", "first").Bytes();
  const size_t end = file.size() - 22;
  const auto with = [&file](size_t at, char value) {
    std::string changed = file;
    changed[at] = value;
    return changed;
  };
  EXPECT_THAT(Refusal(with(end + 4, 1)), HasSubstr("several parts"));
  EXPECT_THAT(Refusal(with(end + 12, 1)), HasSubstr("directory claims 1 bytes"));
  EXPECT_THAT(Refusal(with(end + 20, 1)), HasSubstr("no zip directory"));
  std::string more = with(end + 8, 2);
  more[end + 10] = 2;
  EXPECT_THAT(Refusal(more), HasSubstr("claims 2 entries"));
  std::string none = with(end + 8, 0);
  none[end + 10] = 0;
  EXPECT_THAT(Refusal(none), HasSubstr("follow the directory's last entry"));
}

}  // namespace
}  // namespace triptych::weights
