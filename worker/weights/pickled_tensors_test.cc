#include "worker/weights/pickled_tensors.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "worker/weights/pickle_machine.h"

namespace triptych::weights {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kMaxBytes = 1 << 20;

std::string Int(int32_t value) {
  std::string bytes = "J";
  for (int i = 0; i < 4; ++i)
    bytes.push_back(static_cast<char>(static_cast<uint32_t>(value) >> (8 * i)));
  return bytes;
}
std::string Text(std::string_view text) {
  std::string bytes = "X" + Int(static_cast<int32_t>(text.size())).substr(1);
  return bytes.append(text);
}
std::string Global(std::string_view module, std::string_view name) {
  return fmt::format("c{}\n{}\n", module, name);
}
std::string Tuple(const std::string& items) { return "(" + items + "t"; }

// A storage of `elements` float32 under key "0".
std::string Storage(const std::string& elements = Int(12), std::string_view type = "FloatStorage") {
  return Tuple(Text("storage") + Global("torch", type) + Text("0") + Text("cpu") + elements) + "Q";
}
std::string Tensor(const std::string& offset,
                   const std::string& shape,
                   const std::string& strides,
                   const std::string& storage = Storage(),
                   const std::string& rest = "\x89" + Global("collections", "OrderedDict") + ")R") {
  return Global("torch._utils", "_rebuild_tensor_v2") +
         Tuple(storage + offset + Tuple(shape) + Tuple(strides) + rest) + "R";
}
std::string GoodTensor() { return Tensor(Int(0), Int(3) + Int(4), Int(4) + Int(1)); }
std::string Pickle(const std::string& body) { return "\x80\x02" + body + "."; }
std::string Dict(const std::string& items) { return Pickle("}(" + items + "u"); }

StatusOr<std::vector<NamedTensor>> Read(const std::string& pickle) {
  return ReadPickledTensors(std::as_bytes(std::span(pickle)), kMaxBytes);
}
std::string Refusal(const std::string& pickle) {
  const auto tensors = Read(pickle);
  EXPECT_EQ(tensors.status().code(), StatusCode::kFailedPrecondition);
  return std::string(Message(tensors.status()));
}

TEST(PickledTensorsTest, ReadsAFlatDict) {
  const std::string pickle = Dict(Text("t") + GoodTensor() + Text("u") + Tensor(Int(2), "", ""));
  const auto tensors = Read(pickle);
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  ASSERT_EQ(tensors->size(), 2u);
  const NamedTensor& t = tensors->front();
  EXPECT_EQ(t.name, "t");
  EXPECT_EQ(t.tensor.storage.key, "0");
  EXPECT_EQ(t.tensor.storage.dtype, "F32");
  EXPECT_EQ(t.tensor.storage.num_elements, 12);
  EXPECT_THAT(t.tensor.shape, ElementsAre(3, 4));
  EXPECT_THAT(t.tensor.strides, ElementsAre(4, 1));
  EXPECT_EQ(tensors->back().tensor.offset, 2);
  EXPECT_THAT(tensors->back().tensor.shape, ElementsAre());
}

TEST(PickledTensorsTest, ReadsWholeNumbersOfEveryWidth) {
  const std::string numbers[] = {
      "K\x05", std::string("M\x05\0", 3), Int(5), "\x8a\x01\x05", std::string("\x8a\x02\x05\0", 4)};
  for (const std::string& number : numbers) {
    const std::string pickle = Dict(Text("t") + Tensor(number, Int(1), Int(1)));
    const auto tensors = Read(pickle);
    ASSERT_TRUE(tensors.ok()) << tensors.status();
    EXPECT_EQ(tensors->front().tensor.offset, 5);
  }
  EXPECT_THAT(Refusal(Dict(Text("t") + Tensor("\x8a\x01\xff", Int(1), Int(1)))),
              HasSubstr("reaches out"));
  EXPECT_THAT(Refusal(Dict(Text("t") + Tensor("\x8a\x09", Int(1), Int(1)))),
              HasSubstr("LONG1 of 9"));
}

struct BadPickle {
  const char* what;
  std::string pickle;
  const char* message;  // a part of it
};

std::vector<BadPickle> BadMachines() {
  return {
      {"empty", "", "cut short"},
      {"no protocol", "}.", "PROTO is not where it should be"},
      {"protocol 1", "\x80\x01}.", "protocol 1 is not read"},
      {"protocol 5", "\x80\x05}.", "protocol 5 is not read"},
      {"protocol twice", Pickle("\x80\x02}"), "PROTO is not where it should be"},
      {"a frame too long", Pickle("\x95" + std::string(8, '\x7f')), "FRAME claims"},
      {"no such opcode", Pickle("\xff"), "0xff does not exist"},
      {"an object", Pickle("\x81"), "NEWOBJ is not allowed"},
      {"bytes", Pickle("C"), "SHORT_BINBYTES is not allowed"},
      {"an instance", Pickle("(i"), "INST is not allowed"},
      {"a call",
       Pickle(Global("os", "system") + Tuple(Text("true")) + "R"),
       "'os.system' is not allowed"},
      {"a call by the stack",
       "\x80\x04" + Text("builtins") + Text("eval") + "\x93.",
       "'builtins.eval' is not allowed"},
      {"dots in the name", Pickle(Global("torch", "_utils.os.system")), "is not allowed"},
      {"a nameless storage", Pickle(Global("torch.storage", "UntypedStorage")), "is not allowed"},
      {"an unprintable global", Pickle(Global("a\x1b[1m", "b")), "'a?[1m.b' is not allowed"},
      {"an endless global", Pickle("cos"), "cut short"},
      {"a call of a text", Pickle(Text("os.system") + ")R"), "REDUCE of a text"},
      {"a call of a storage type",
       Pickle(Global("torch", "FloatStorage") + ")R"),
       "REDUCE of a storage type"},
      {"a filled OrderedDict",
       Pickle(Global("collections", "OrderedDict") + "(]tR"),
       "has arguments"},
      {"a storage by text", Pickle(Text("0") + "Q"), "BINPERSID"},
      {"a storage of a function",
       Pickle(Tuple(Text("storage") + Global("collections", "OrderedDict") + Text("0") +
                    Text("cpu") + Int(1)) +
              "Q"),
       "BINPERSID"},
      {"a negative storage", Pickle(Storage(Int(-1))), "BINPERSID"},
      {"attributes of a tensor", Pickle(GoodTensor() + "}b"), "BUILD of a tensor"},
      {"attributes of no kind", Pickle("}" + Text("x") + "b"), "BUILD of a dict"},
      {"nothing to pop", Pickle("R"), "2 values are wanted, 0 are on the stack"},
      {"nothing above the mark", Pickle("N(R"), "2 values are wanted, 0"},
      {"no mark", Pickle("t"), "there is no mark"},
      {"stopped early", Pickle("NN"), "STOP with 2 values"},
      {"stopped with a mark", Pickle("N("), "STOP with 1 values"},
      {"stopped with nothing", Pickle(""), "STOP with 0 values"},
      {"something behind", Pickle("}") + "N", "1 bytes follow"},
      {"an unknown memo", Pickle("h\x03"), "memo 3 is empty"},
      {"a memo far away", Pickle("}q\x03"), "memo 3 is put"},
      {"half a pair", Pickle("}(Nu"), "1 values for a dict"},
      {"pairs for a list", Pickle("](NNu"), "2 values for a list"},
      {"a text too long", Pickle("X\xff\xff\xff\xff"), "a text of 4294967295 bytes"},
  };
}

std::vector<BadPickle> BadTensors() {
  const auto tensor = [](const std::string& made) { return Dict(Text("t") + made); };
  const std::string one = Int(1), huge = "\x8a\x08" + std::string(7, '\xff') + "\x7f";
  return {
      {"beyond the storage",
       tensor(Tensor(Int(1), Int(12), one)),
       "'t': reaches out of its storage"},
      {"beyond it by stride", tensor(Tensor(Int(0), Int(4), Int(4))), "reaches out"},
      {"before it", tensor(Tensor(Int(-1), one, one)), "reaches out"},
      {"backwards", tensor(Tensor(Int(11), Int(2), Int(-1))), "reaches out"},
      {"a negative extent", tensor(Tensor(Int(0), Int(-1), one)), "reaches out"},
      {"more than 64 bits", tensor(Tensor(Int(0), huge + huge, Int(0) + Int(0))), "reaches out"},
      {"strides beyond 64 bits", tensor(Tensor(Int(0), Int(3), huge)), "reaches out"},
      {"an offset at the end of 64 bits", tensor(Tensor(huge, Int(2), one)), "reaches out"},
      {"repeated without end",
       tensor(Tensor(Int(0), Int(1 << 28), Int(0))),
       "more than the whole file"},
      {"nothing", tensor(Tensor(Int(0), Int(0), one)), "has no elements"},
      {"of an empty storage", tensor(Tensor(Int(0), one, one, Storage(Int(0)))), "reaches out"},
      {"more strides", tensor(Tensor(Int(0), one, one + one)), "1 dimensions and 2 strides"},
      {"nine dimensions",
       tensor(Tensor(Int(0), one + one + one + one + one + one + one + one + one, one)),
       "9 dimensions"},
      {"a shape of texts", tensor(Tensor(Int(0), Text("1"), one)), "hold a text"},
      {"no storage", tensor(Tensor(Int(0), one, one, "N")), "other arguments"},
      {"hooks", tensor(Tensor(Int(0), one, one, Storage(), "\x89}(NNu")), "hooks"},
      {"negated",
       tensor(Tensor(Int(0), one, one, Storage(), "\x89}}" + Text("neg") + "\x88s")),
       "negated"},
      {"a number", Dict(Text("epoch") + Int(3)), "'epoch' is a whole number, not a tensor"},
      {"nested",
       Dict(Text("model") + "}" + Text("t") + GoodTensor() + "s"),
       "'model' is a dict of 1 entries, not a tensor: a flat dict of tensors is wanted; if "
       "'model'"},
      {"a bare tensor", Pickle(GoodTensor()), "it holds a tensor: a flat dict"},
      {"a list", Pickle("]" + GoodTensor() + "a"), "it holds a list of 1"},
      {"a number for a name", Dict(Int(3) + GoodTensor()), "a key is a whole number"},
      {"no name", Dict(Text("") + GoodTensor()), "name has 0 bytes"},
      {"an unprintable name",
       Dict(Text("a\nb") + GoodTensor()),
       "'a?b': the name is not printable"},
      {"the same name twice",
       Dict(Text("t") + GoodTensor() + Text("t") + GoodTensor()),
       "'t' is there twice"},
      {"a dict in itself",
       Pickle("}q" + std::string(1, '\0') + Text("t") + "h" + std::string(1, '\0') + "s"),
       "'t' is a dict of 1"},
  };
}

TEST(PickledTensorsTest, RefusesEverythingElseByName) {
  for (const BadPickle& bad : BadMachines())
    EXPECT_THAT(Refusal(bad.pickle), HasSubstr(bad.message)) << bad.what;
  for (const BadPickle& bad : BadTensors())
    EXPECT_THAT(Refusal(bad.pickle), HasSubstr(bad.message)) << bad.what;
}

TEST(PickledTensorsTest, NothingGrowsBeyondItsLimit) {
  EXPECT_THAT(Refusal(Pickle(std::string(kMaxPickleStack + 1, 'N'))), HasSubstr("on the stack"));
  EXPECT_THAT(Refusal(Pickle(std::string(kMaxPickleMarks + 1, '('))), HasSubstr("marks"));
  std::string appended = "]";
  for (size_t i = 0; i <= kMaxPickleValues; ++i) appended += "Na";
  EXPECT_THAT(Refusal(Pickle(appended)), HasSubstr("values"));
  EXPECT_THAT(Refusal(std::string(kMaxPickleBytes + 1, 'N')), HasSubstr("at most"));
}

TEST(PickledTensorsTest, NoDepthDoesHarm) {
  std::string deep = "N";
  for (int i = 0; i < 1 << 20; ++i) deep += '\x85';
  EXPECT_THAT(Refusal(Pickle(deep)), HasSubstr("it holds a tuple"));
}

TEST(PickledTensorsTest, AnyTruncationIsRefused) {
  const std::string pickle = Dict(Text("t") + GoodTensor() + Text("u") + GoodTensor());
  for (size_t size = 0; size < pickle.size(); ++size)
    EXPECT_NE(Refusal(pickle.substr(0, size)), "");
}

// Whatever a flipped byte makes of it: what is given lies within its storage.
TEST(PickledTensorsTest, AnyOtherByteIsRefusedOrHarmless) {
  const std::string pickle =
      Dict(Text("t") + GoodTensor() + Text("u") + Tensor(Int(1), Int(2) + Int(5), Int(1) + Int(2)));
  int accepted = 0;
  for (size_t at = 0; at < pickle.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string changed = pickle;
      changed[at] = static_cast<char>(value);
      const auto tensors = Read(changed);
      if (!tensors.ok()) {
        EXPECT_EQ(tensors.status().code(), StatusCode::kFailedPrecondition);
        continue;
      }
      ++accepted;
      for (const NamedTensor& named : *tensors) {
        int64_t last = named.tensor.offset;
        for (size_t i = 0; i < named.tensor.shape.size(); ++i)
          last += (named.tensor.shape[i] - 1) * named.tensor.strides[i];
        EXPECT_GE(named.tensor.offset, 0);
        EXPECT_LT(last, named.tensor.storage.num_elements);
      }
    }
  }
  EXPECT_GT(accepted, 0);
}

}  // namespace
}  // namespace triptych::weights
