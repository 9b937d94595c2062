#include "worker/weights/safetensors_file.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/safetensors_writer.h"
#include "tests/fakes/temporary_folder.h"

namespace triptych::weights {
namespace {

using ::testing::HasSubstr;

class SafetensorsFileTest : public ::testing::Test {
 protected:
  TensorFile Open(const fakes::SafetensorsWriter& writer) {
    auto file = OpenSafetensors(folder_.Write("a.safetensors", writer.Bytes()));
    EXPECT_TRUE(file.ok()) << file.status();
    return *std::move(file);
  }
  // Why the file is refused; the message always names it.
  std::string Refusal(std::string_view content) {
    const auto file = OpenSafetensors(folder_.Write("bad.safetensors", content));
    EXPECT_FALSE(file.ok());
    EXPECT_THAT(std::string(Message(file.status())), HasSubstr("bad.safetensors"));
    return std::string(Message(file.status()));
  }

  fakes::TemporaryFolder folder_;
};

TEST_F(SafetensorsFileTest, ReadsEveryDtypeThatModelsUse) {
  const at::Tensor values = at::arange(12).reshape({3, 4});
  for (const at::ScalarType dtype : {at::kFloat,
                                     at::kBFloat16,
                                     at::kHalf,
                                     at::kLong,
                                     at::kInt,
                                     at::kShort,
                                     at::kChar,
                                     at::kByte}) {
    const TensorFile file = Open(fakes::SafetensorsWriter().Add("t", values.to(dtype)));
    const auto read = file.Read("t");
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->scalar_type(), dtype);
    EXPECT_TRUE(at::equal(*read, values.to(dtype)));
  }
}

TEST_F(SafetensorsFileTest, ReadsSlicesOfAnyDimension) {
  const at::Tensor values = at::arange(60, at::kFloat).reshape({3, 4, 5});
  const TensorFile file =
      Open(fakes::SafetensorsWriter().Add("other", at::arange(3)).Add("t", values));
  for (int dim = 0; dim < 3; ++dim) {
    const auto read = file.Read("t", {.dim = dim, .begin = 1, .end = 3});
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_TRUE(at::equal(*read, values.slice(dim, 1, 3))) << dim;
    EXPECT_TRUE(read->is_contiguous());
  }
}

TEST_F(SafetensorsFileTest, WhatIsReadOutlivesTheFile) {
  at::Tensor read;
  {
    const TensorFile file = Open(fakes::SafetensorsWriter().Add("t", at::arange(4)));
    read = *file.Read("t");
  }
  EXPECT_TRUE(at::equal(read, at::arange(4)));
}

TEST_F(SafetensorsFileTest, RefusesSlicesAndNamesThatAreNotThere) {
  const TensorFile file = Open(fakes::SafetensorsWriter().Add("t", at::arange(4)));
  for (const Slice slice :
       {Slice{1, 0, 1}, Slice{0, -1, 2}, Slice{0, 2, 2}, Slice{0, 3, 5}, Slice{0, 3, 1}}) {
    EXPECT_EQ(file.Read("t", slice).status().code(), StatusCode::kFailedPrecondition);
  }
  EXPECT_THAT(std::string(Message(file.Read("u").status())), HasSubstr("'u'"));
  EXPECT_EQ(file.Find("u"), nullptr);
}

TEST_F(SafetensorsFileTest, RefusesFilesThatLieAboutTheirHeader) {
  EXPECT_THAT(Refusal(""), HasSubstr("empty"));
  EXPECT_THAT(Refusal("1234567"), HasSubstr("too short"));
  EXPECT_THAT(Refusal(std::string(8, '\0')), HasSubstr("begin with"));
  EXPECT_THAT(Refusal(std::string(8, '\xff') + "{}"), HasSubstr("at most"));
  EXPECT_THAT(Refusal(std::string("\x08\0\0\0\0\0\0\0{}", 10)), HasSubstr("of a file of 10"));
}

TEST_F(SafetensorsFileTest, RefusesTruncatedAndGrownFiles) {
  const std::string whole =
      fakes::SafetensorsWriter().Add("first", at::arange(4)).Add("last", at::arange(4)).Bytes();
  EXPECT_THAT(Refusal(whole.substr(0, whole.size() - 1)), HasSubstr("tensor 'last'"));
  EXPECT_THAT(Refusal(whole + "x"), HasSubstr("1 bytes follow"));
  for (size_t size = 0; size < whole.size(); size += 7)
    EXPECT_NE(Refusal(whole.substr(0, size)), "");
}

TEST_F(SafetensorsFileTest, RefusesWhatIsNoFile) {
  EXPECT_EQ(OpenSafetensors(folder_.path()).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(OpenSafetensors(folder_.File("absent")).status().code(),
            StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace triptych::weights
