#pragma once

#include <array>
#include <cstdint>

namespace triptych::vision {

// What CLIP makes of the colours of `pixels` neighbouring pixels, of three bytes each: value / 255,
// less the colour's mean, by its deviation, each step rounded to float32 as the reference rounds
// it. out: where the red, green and blue numbers go.
void NormalizeLine(const uint8_t* rgb, int64_t pixels, const std::array<float*, 3>& out);

}  // namespace triptych::vision
