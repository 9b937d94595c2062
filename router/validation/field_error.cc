#include "router/validation/field_error.h"

namespace triptych::router {

Status CheckRange(std::string_view field, double value, double min, double max) {
  // Written so that NaN, which compares false with everything, is refused.
  if (value >= min && value <= max) return OkStatus();
  return BadField("OUT_OF_RANGE", field, "must lie between {} and {}, got {}", min, max, value);
}

Status CheckCount(std::string_view field, int64_t count, int64_t max) {
  if (count <= max) return OkStatus();
  return BadField("TOO_MANY", field, "at most {} are allowed, got {}", max, count);
}

}  // namespace triptych::router
