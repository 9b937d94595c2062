#include "worker/weights/torch_archive.h"

#include <fstream>
#include <map>
#include <sstream>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/temporary_folder.h"
#include "tests/fakes/zip_writer.h"

namespace triptych::weights {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

// What torch.save wrote: testdata/make_archives.py.
std::string TestFile(std::string_view name) {
  return fmt::format("{}/../worker/weights/testdata/{}", TRIPTYCH_TEST_DATA, name);
}
std::string Content(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}
TensorFile Open(std::string_view name) {
  auto file = OpenTorchArchive(TestFile(name));
  EXPECT_TRUE(file.ok()) << file.status();
  return *std::move(file);
}
StatusOr<std::vector<StoredTensor>> Parse(std::string_view content) {
  return ParseTorchArchive(std::as_bytes(std::span(content)));
}
std::string Refusal(const std::string& path) {
  const auto file = OpenTorchArchive(path);
  EXPECT_EQ(file.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(file.status())), HasSubstr(path));
  return std::string(Message(file.status()));
}
at::Tensor Count(at::IntArrayRef shape) {
  return at::arange(c10::multiply_integers(shape), at::kFloat).reshape(shape);
}
void ExpectEqual(const StatusOr<at::Tensor>& read,
                 const at::Tensor& wanted,
                 std::string_view what) {
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->scalar_type(), wanted.scalar_type()) << what;
  EXPECT_EQ(read->sizes(), wanted.sizes()) << what;
  EXPECT_TRUE(read->is_contiguous()) << what;
  EXPECT_TRUE(at::equal(*read, wanted)) << what;
}

TEST(TorchArchiveTest, ReadsEveryDtype) {
  const TensorFile file = Open("dtypes.bin");
  const std::map<std::string, at::ScalarType> dtypes = {{"f32", at::kFloat},
                                                        {"f16", at::kHalf},
                                                        {"bf16", at::kBFloat16},
                                                        {"f64", at::kDouble},
                                                        {"i64", at::kLong},
                                                        {"i32", at::kInt},
                                                        {"i16", at::kShort},
                                                        {"i8", at::kChar},
                                                        {"u8", at::kByte},
                                                        {"bool", at::kBool}};
  EXPECT_THAT(file.tensors(), SizeIs(dtypes.size()));
  for (const auto& [name, dtype] : dtypes) {
    const at::Tensor wanted = Count({3, 4}).to(dtype);
    ExpectEqual(file.Read(name), wanted, name);
    ExpectEqual(file.Read(name, {.dim = 1, .begin = 1, .end = 3}), wanted.slice(1, 1, 3), name);
  }
}

TEST(TorchArchiveTest, ReadsViewsOfASharedStorage) {
  const TensorFile file = Open("views.bin");
  const at::Tensor whole = Count({6, 4});
  const std::map<std::string, at::Tensor> views = {
      {"whole", whole},
      {"transposed", whole.t()},
      {"rows", whole.slice(0, 2, 4)},
      {"columns", whole.slice(1, 1, 3)},
      {"every_other", whole.slice(0, 0, 6, 2).slice(1, 0, 4, 2)},
      {"repeated", whole[0].expand({3, 4})},
      {"scalar", whole[1][3]},
      {"parameter", Count({3})},
      {"frozen", Count({2})}};
  EXPECT_THAT(file.tensors(), SizeIs(views.size()));
  for (const auto& [name, wanted] : views) {
    ExpectEqual(file.Read(name), wanted, name);
    for (int dim = 0; dim < wanted.dim(); ++dim) {
      for (int64_t begin = 0; begin < wanted.size(dim); ++begin) {
        for (int64_t end = begin + 1; end <= wanted.size(dim); ++end) {
          ExpectEqual(file.Read(name, {dim, begin, end}), wanted.slice(dim, begin, end), name);
        }
      }
    }
  }
}

TEST(TorchArchiveTest, ReadsAModulesStateDict) {
  const TensorFile file = Open("layers.bin");
  ASSERT_THAT(file.tensors(), SizeIs(4));
  ExpectEqual(file.Read("0.weight"), Count({2, 3}), "0.weight");
  ExpectEqual(file.Read("0.bias"), Count({2}) + 10, "0.bias");
  ExpectEqual(file.Read("1.weight"), Count({2}) + 20, "1.weight");
  ExpectEqual(file.Read("1.bias"), Count({2}) + 30, "1.bias");
}

TEST(TorchArchiveTest, ReadsLaterPickleProtocols) {
  for (const char* name : {"protocol3.bin", "protocol4.bin"}) {
    const TensorFile file = Open(name);
    ExpectEqual(file.Read("t"), Count({2, 3}), name);
    ExpectEqual(file.Read("u"), Count({2, 3}).t(), name);
  }
}

TEST(TorchArchiveTest, RefusesByNameWhatIsNoFlatDictOfTensors) {
  EXPECT_THAT(Refusal(TestFile("nested.bin")),
              HasSubstr("nested/data.pkl: 'state_dict' is a dict of 1"));
  EXPECT_THAT(Refusal(TestFile("not_only_tensors.bin")), HasSubstr("'epoch' is a whole number"));
  EXPECT_THAT(Refusal(TestFile("bare_tensor.bin")), HasSubstr("it holds a tensor"));
  EXPECT_THAT(Refusal(TestFile("legacy.bin")), HasSubstr("before version 1.6"));
  EXPECT_THAT(Refusal(TestFile("float8.bin")),
              HasSubstr("global 'torch._utils._rebuild_tensor_v3' is not allowed"));
  EXPECT_THAT(Refusal(TestFile("sparse.bin")),
              HasSubstr("global 'torch._utils._rebuild_sparse_tensor' is not allowed"));
  EXPECT_THAT(Refusal(TestFile("make_archives.py")), HasSubstr("no zip directory"));
}

class MadeArchiveTest : public ::testing::Test {
 protected:
  // A dict with one tensor "t": two float32 of storage "0".
  static std::string Pickle() {
    using std::string_literals::operator""s;
    return "\x80\x02}X\x01\0\0\0tctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storage"s
           "ctorch\nFloatStorage\nX\x01\0\0\0"s +
           "0X\x03\0\0\0cpuK\x02tQK\0K\x02\x85K\x01\x85\x89}tRs."s;
  }
  std::string RefusalOf(const std::string& content) {
    return Refusal(folder_.Write("made.bin", content));
  }

  fakes::TemporaryFolder folder_;
};

TEST_F(MadeArchiveTest, TheRecordsMustFitThePickle) {
  const auto good = OpenTorchArchive(
      folder_.Write("good.bin", fakes::TorchArchiveBytes(Pickle(), {{"0", std::string(8, '\0')}})));
  ASSERT_TRUE(good.ok()) << good.status();
  ExpectEqual(good->Read("t"), at::zeros({2}), "t");
  EXPECT_THAT(RefusalOf(fakes::TorchArchiveBytes(Pickle())),
              HasSubstr("tensor 't': its storage 'archive/data/0' is missing"));
  for (const size_t bytes : {0, 4, 7, 9, 12}) {
    EXPECT_THAT(RefusalOf(fakes::TorchArchiveBytes(Pickle(), {{"0", std::string(bytes, '\0')}})),
                HasSubstr("not 2 elements of F32"));
  }
}

TEST_F(MadeArchiveTest, OtherArchivesAreRefused) {
  const auto archive = [](std::initializer_list<std::pair<const char*, const char*>> entries) {
    fakes::ZipWriter zip;
    for (const auto& [name, content] : entries) zip.Add(name, content);
    return zip.Bytes();
  };
  EXPECT_THAT(RefusalOf(archive({{"a/b", "x"}})), HasSubstr("no data.pkl"));
  EXPECT_THAT(RefusalOf(archive({{"data.pkl", "x"}})), HasSubstr("no data.pkl"));
  EXPECT_THAT(RefusalOf(archive({{"a/data.pkl", "x"}, {"b/data.pkl", "x"}})),
              HasSubstr("more than one"));
  EXPECT_THAT(RefusalOf(archive({{"a/data.pkl", "x"}, {"a/constants.pkl", "x"}})),
              HasSubstr("TorchScript"));
  EXPECT_THAT(RefusalOf(archive({{"a/data.pkl", "x"}, {"a/byteorder", "big"}})),
              HasSubstr("byteorder is 'big'"));
  EXPECT_THAT(
      RefusalOf(fakes::ZipWriter().Add("a/data.pkl", Pickle(), {.wrong_checksum = true}).Bytes()),
      HasSubstr("checksum"));
}

TEST(TorchArchiveTest, EveryTruncationIsRefused) {
  for (const char* name : {"views.bin", "protocol4.bin"}) {
    const std::string whole = Content(TestFile(name));
    ASSERT_TRUE(Parse(whole).ok());
    for (size_t size = 0; size < whole.size(); ++size) {
      EXPECT_EQ(Parse(std::string_view(whole).substr(0, size)).status().code(),
                StatusCode::kFailedPrecondition);
    }
  }
}

// Each bit of every byte of a real archive, and all eight at once: it is refused, or all of it can
// be read.
TEST(TorchArchiveTest, EveryFlippedByteIsRefusedOrHarmless) {
  std::string changed = Content(TestFile("views.bin"));
  int refused = 0, read = 0;
  for (char& byte : changed) {
    const char right = byte;
    for (const int flip : {1, 2, 4, 8, 16, 32, 64, 128, 255}) {
      byte = static_cast<char>(right ^ flip);
      auto tensors = Parse(changed);
      if (!tensors.ok()) {
        EXPECT_EQ(tensors.status().code(), StatusCode::kFailedPrecondition);
        ++refused;
        continue;
      }
      ++read;
      const TensorFile file("flipped.bin", nullptr, *std::move(tensors));
      for (const StoredTensor& tensor : file.tensors()) EXPECT_TRUE(file.Read(tensor.name).ok());
    }
    byte = right;
  }
  EXPECT_GT(refused, 0);
  EXPECT_GT(read, 0);  // bytes of storages and padding
}

}  // namespace
}  // namespace triptych::weights
