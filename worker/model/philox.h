#pragma once

#include <array>
#include <cstdint>

namespace triptych::model {

// Philox4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3" (2011): no state, so any worker draws the same number for the same place in a stream.
std::array<uint32_t, 4> Philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// Uniform in [0, 1), 53 bits: the number that chooses token `output_index` of a request's sequence.
double UniformAt(uint64_t seed, uint32_t sequence, uint32_t output_index);

}  // namespace triptych::model
