#pragma once

#include <cstdint>
#include <string>

namespace triptych::weights {

// The opcodes of pickles that are read (Python's pickletools describes them).
struct PickleOpcode {
  enum Value : uint8_t {
    kMark = '(',
    kStop = '.',
    kNone = 'N',
    kNewTrue = 0x88,
    kNewFalse = 0x89,
    kBinInt = 'J',
    kBinInt1 = 'K',
    kBinInt2 = 'M',
    kLong1 = 0x8a,
    kBinFloat = 'G',
    kShortBinUnicode = 0x8c,
    kBinUnicode = 'X',
    kEmptyTuple = ')',
    kTuple1 = 0x85,
    kTuple2 = 0x86,
    kTuple3 = 0x87,
    kTuple = 't',
    kEmptyList = ']',
    kAppend = 'a',
    kAppends = 'e',
    kEmptyDict = '}',
    kSetItem = 's',
    kSetItems = 'u',
    kBinPut = 'q',
    kLongBinPut = 'r',
    kMemoize = 0x94,
    kBinGet = 'h',
    kLongBinGet = 'j',
    kGlobal = 'c',
    kStackGlobal = 0x93,
    kReduce = 'R',
    kBuild = 'b',
    kBinPersId = 'Q',
    kProto = 0x80,
    kFrame = 0x95,
  };
};

// What to say of any other: its name in pickletools, if it has one.
std::string WhyRefused(uint8_t opcode);

}  // namespace triptych::weights
