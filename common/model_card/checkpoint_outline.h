#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/status.h"
#include "common/string_map.h"

namespace triptych {

// What the headers of a checkpoint folder's weight files tell without a tensor being read: the names of all tensors and, of
// safetensors files, their shapes. Looks at model.safetensors, model.safetensors.index.json and pytorch_model.bin.index.json, in this order;
// a folder with none of them (a router's needs no weights) has an empty outline. Immutable.
class CheckpointOutline {
 public:
  // kFailedPrecondition names a file that is there and not readable as what its name says.
  static StatusOr<CheckpointOutline> Read(const std::string& model_dir);

  bool empty() const { return file_of_.empty(); }
  bool Has(std::string_view name) const { return file_of_.find(name) != file_of_.end(); }
  // The tensor's first dimension; 0 where the outline does not have it. kFailedPrecondition as Read.
  StatusOr<int64_t> Rows(std::string_view name) const;

 private:
  StringMap<std::string> file_of_;  // tensor -> path
};

}  // namespace triptych
