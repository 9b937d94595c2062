#include "worker/weights/weights_digest.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>

#include "worker/weights/checkpoint_files.h"
#include "worker/weights/mapped_file.h"
#include "xxhash.h"

namespace triptych::weights {

StatusOr<WeightsDigest> DigestWeights(const std::string& dir) {
  TRIPTYCH_ASSIGN_OR_RETURN(const CheckpointFiles files, FindCheckpointFiles(dir));
  const std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(),
                                                                              XXH3_freeState);
  XXH3_128bits_reset(state.get());
  for (const std::string& path : files.paths) {
    TRIPTYCH_ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> file, MappedFile::Open(path));
    const std::string head = fmt::format(
        "{}\n{}\n", std::filesystem::path(path).filename().string(), file->bytes().size());
    XXH3_128bits_update(state.get(), head.data(), head.size());
    XXH3_128bits_update(state.get(), file->bytes().data(), file->bytes().size());
  }
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state.get()));
  WeightsDigest digest;
  std::memcpy(digest.data(), canonical.digest, digest.size());
  return digest;
}

}  // namespace triptych::weights
