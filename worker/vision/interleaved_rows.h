#pragma once

#include <cstdint>

namespace triptych::vision {

// Lays `rows` rows of `width` RGB pixels side by side: pixel x of all rows stands together, so that a weighted sum of columns
// reads and writes whole vectors. Sixteen rows take the least time for each.
void InterleaveRows(const uint8_t* in, int64_t rows, int64_t width, uint8_t* out);

// And back: rows of `width` pixels one after the other.
void SeparateRows(const uint8_t* in, int64_t rows, int64_t width, uint8_t* out);

}  // namespace triptych::vision
