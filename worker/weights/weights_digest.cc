#include "worker/weights/weights_digest.h"

#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include "fmt/format.h"
#include "worker/weights/mapped_file.h"
#include "xxhash.h"

namespace triptych::weights {
namespace {

// Changes when dummy weights do.
constexpr std::string_view kDummies = "dummy weights 1";

class Digester {
 public:
  Digester() : state_(XXH3_createState(), XXH3_freeState) { XXH3_128bits_reset(state_.get()); }

  void Add(std::string_view text) { XXH3_128bits_update(state_.get(), text.data(), text.size()); }
  Status AddFile(const std::string& path) {
    TRIPTYCH_ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> file, MappedFile::Open(path));
    const std::span<const std::byte> bytes = file->bytes();
    Add(fmt::format("{}\n{}\n", std::filesystem::path(path).filename().string(), bytes.size()));
    XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
    return OkStatus();
  }
  WeightsDigest Finish() const {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_.get()));
    WeightsDigest digest;
    std::memcpy(digest.data(), canonical.digest, digest.size());
    return digest;
  }

 private:
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state_;
};

}  // namespace

StatusOr<WeightsDigest> DigestWeights(const std::string& dir, CheckpointFormat format) {
  TRIPTYCH_ASSIGN_OR_RETURN(const CheckpointFiles files, FindCheckpointFiles(dir, format));
  Digester digester;
  for (const std::string& path : files.paths) TRIPTYCH_RETURN_IF_ERROR(digester.AddFile(path));
  return digester.Finish();
}

StatusOr<WeightsDigest> DigestDummyWeights(const std::string& dir) {
  Digester digester;
  digester.Add(kDummies);
  TRIPTYCH_RETURN_IF_ERROR(digester.AddFile(dir + "/config.json"));
  return digester.Finish();
}

}  // namespace triptych::weights
