#include "worker/weights/pickle_opcodes.h"

#include <array>
#include <utility>

#include "fmt/format.h"

namespace triptych::weights {
namespace {

constexpr std::array<std::pair<uint8_t, const char*>, 33> kRefused = {{{'0', "POP"},
                                                                       {'1', "POP_MARK"},
                                                                       {'2', "DUP"},
                                                                       {'F', "FLOAT"},
                                                                       {'I', "INT"},
                                                                       {'L', "LONG"},
                                                                       {'P', "PERSID"},
                                                                       {'S', "STRING"},
                                                                       {'T', "BINSTRING"},
                                                                       {'U', "SHORT_BINSTRING"},
                                                                       {'V', "UNICODE"},
                                                                       {'B', "BINBYTES"},
                                                                       {'C', "SHORT_BINBYTES"},
                                                                       {'d', "DICT"},
                                                                       {'g', "GET"},
                                                                       {'i', "INST"},
                                                                       {'l', "LIST"},
                                                                       {'o', "OBJ"},
                                                                       {'p', "PUT"},
                                                                       {0x81, "NEWOBJ"},
                                                                       {0x82, "EXT1"},
                                                                       {0x83, "EXT2"},
                                                                       {0x84, "EXT4"},
                                                                       {0x8b, "LONG4"},
                                                                       {0x8d, "BINUNICODE8"},
                                                                       {0x8e, "BINBYTES8"},
                                                                       {0x8f, "EMPTY_SET"},
                                                                       {0x90, "ADDITEMS"},
                                                                       {0x91, "FROZENSET"},
                                                                       {0x92, "NEWOBJ_EX"},
                                                                       {0x96, "BYTEARRAY8"},
                                                                       {0x97, "NEXT_BUFFER"},
                                                                       {0x98, "READONLY_BUFFER"}}};

}  // namespace

std::string WhyRefused(uint8_t opcode) {
  for (const auto& [code, name] : kRefused) {
    if (code == opcode) return fmt::format("opcode {} is not allowed", name);
  }
  return fmt::format("opcode {:#04x} does not exist", opcode);
}

}  // namespace triptych::weights
