#pragma once

#include <string>
#include <vector>

#include "common/picture_index/picture_index.h"
#include "common/status.h"

namespace triptych {

// A picture file and what is known of it.
struct DescribedPicture {
  std::string path;
  IndexedPicture picture;  // extension, caption, licence, source
};

// The pictures (png, jpg, jpeg, webp, gif, bmp) among `paths`, and those in the folders among them,
// by their names. The words of a picture come, in this order, from the file beside it with .json
// instead of its extension (keys caption or text, licence or license, source), from that with .txt
// (the caption), from the folder's metadata.jsonl (the same keys, and file_name), else its file
// name is the caption. `licence` and `source` stand in where a picture has none. kInvalidArgument
// names the file that is wrong.
StatusOr<std::vector<DescribedPicture>> FindPictures(const std::vector<std::string>& paths,
                                                     const std::string& licence,
                                                     const std::string& source);

}  // namespace triptych
