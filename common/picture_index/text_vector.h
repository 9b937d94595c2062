#pragma once

#include <string>
#include <vector>

namespace triptych {

// A text as a model's vector. Vectors can be compared where their spaces are equal: same model, same
// way of making them.
struct TextVector {
  std::string space;
  std::vector<float> values;
};

}  // namespace triptych
