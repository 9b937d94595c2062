#include "worker/weights/weight_loader.h"

#include <algorithm>
#include <array>
#include <utility>

#include "fmt/ranges.h"
#include "worker/weights/safetensors_file.h"
#include "worker/weights/tensor_file.h"
#include "worker/weights/torch_archive.h"

namespace triptych::weights {
namespace {

class CheckpointLoader final : public WeightLoader {
 public:
  static StatusOr<std::unique_ptr<WeightLoader>> Open(const std::string& dir,
                                                      const CheckpointFiles& files) {
    std::vector<TensorFile> opened;
    for (const std::string& path : files.paths) {
      TRIPTYCH_ASSIGN_OR_RETURN(TensorFile file,
                                files.format == CheckpointFormat::kTorch ? OpenTorchArchive(path)
                                                                         : OpenSafetensors(path));
      opened.push_back(std::move(file));
    }
    auto loader = std::make_unique<CheckpointLoader>(dir, std::move(opened));
    TRIPTYCH_RETURN_IF_ERROR(loader->BuildIndex(files.weight_map));
    return loader;
  }

  CheckpointLoader(std::string dir, std::vector<TensorFile> files)
      : dir_(std::move(dir)), files_(std::move(files)) {}

  StatusOr<at::Tensor> Load(std::string_view name,
                            const std::vector<int64_t>& shape,
                            Slice slice) const override {
    return LoadOneOf(kFloats, name, shape, slice);
  }
  StatusOr<at::Tensor> LoadIntegers(std::string_view name,
                                    const std::vector<int64_t>& shape,
                                    Slice slice) const override {
    return LoadOneOf(kIntegers, name, shape, slice);
  }

  bool Has(std::string_view name) const override { return FileOf(name) != nullptr; }

  StatusOr<std::vector<int64_t>> Shape(std::string_view name) const override {
    const TensorFile* file = FileOf(name);
    if (file == nullptr) return FailedPrecondition("{}: tensor '{}' is missing", dir_, name);
    return file->Find(name)->shape;
  }

  std::vector<std::string> Names() const override {
    std::vector<std::string> names;
    for (const TensorFile& file : files_) {
      for (const StoredTensor& tensor : file.tensors()) names.push_back(tensor.name);
    }
    return names;
  }

  int64_t StoredBytes(std::string_view name) const override {
    const TensorFile* file = FileOf(name);
    return file == nullptr ? 0 : file->Find(name)->bytes();
  }

 private:
  using Dtypes = std::array<std::string_view, 3>;
  static constexpr Dtypes kFloats = {"BF16", "F16", "F32"};
  static constexpr Dtypes kIntegers = {"I32", "I8", "U8"};

  StatusOr<at::Tensor> LoadOneOf(const Dtypes& dtypes,
                                 std::string_view name,
                                 const std::vector<int64_t>& shape,
                                 Slice slice) const {
    const TensorFile* file = FileOf(name);
    if (file == nullptr) {
      return FailedPrecondition(
          "{}: tensor '{}' is missing; its shape should be {}", dir_, name, shape);
    }
    const StoredTensor& tensor = *file->Find(name);
    if (tensor.shape != shape) {
      return FailedPrecondition(
          "{}: tensor '{}' has shape {}, wanted {}", file->path(), name, tensor.shape, shape);
    }
    if (std::find(dtypes.begin(), dtypes.end(), tensor.dtype) == dtypes.end()) {
      return FailedPrecondition("{}: tensor '{}' has dtype {}, wanted {}, {} or {}",
                                file->path(),
                                name,
                                tensor.dtype,
                                dtypes[0],
                                dtypes[1],
                                dtypes[2]);
    }
    return file->Read(name, slice);
  }

  const TensorFile* FileOf(std::string_view name) const {
    const auto found = file_of_.find(name);
    return found == file_of_.end() ? nullptr : &files_[found->second];
  }

  Status BuildIndex(const StringMap<std::string>& weight_map) {
    for (size_t i = 0; i < files_.size(); ++i) {
      for (const StoredTensor& tensor : files_[i].tensors()) {
        const std::string& name = tensor.name;
        const auto [earlier, inserted] = file_of_.emplace(name, i);
        if (!inserted) {
          return FailedPrecondition("{}: tensor '{}' is also in {}",
                                    files_[i].path(),
                                    name,
                                    files_[earlier->second].path());
        }
        const auto listed = weight_map.find(name);
        if (!weight_map.empty() &&
            (listed == weight_map.end() || listed->second != files_[i].path())) {
          return FailedPrecondition(
              "{}: tensor '{}' is not where the index has it", files_[i].path(), name);
        }
      }
    }
    for (const auto& [name, path] : weight_map) {
      if (!Has(name))
        return FailedPrecondition(
            "{}: tensor '{}' is missing, which the index has there", path, name);
    }
    return OkStatus();
  }

  std::string dir_;
  std::vector<TensorFile> files_;
  StringMap<size_t> file_of_;
};

// What the reference's modules store and never read.
bool IsIgnorable(std::string_view name) {
  return name.ends_with(".position_ids") || name.ends_with(".rotary_emb.inv_freq") ||
         name.find(".post_layernorm.") != std::string_view::npos;
}

}  // namespace

StatusOr<std::unique_ptr<WeightLoader>> LoadCheckpoint(const std::string& dir,
                                                       CheckpointFormat format) {
  TRIPTYCH_ASSIGN_OR_RETURN(const CheckpointFiles files, FindCheckpointFiles(dir, format));
  return CheckpointLoader::Open(dir, files);
}

Status CheckNoExtra(const WeightLoader& loader,
                    const StringSet& used,
                    const std::vector<std::string>& foreign) {
  for (const std::string& name : loader.Names()) {
    const auto is_prefix = [&name](const std::string& prefix) { return name.starts_with(prefix); };
    if (used.contains(name) || IsIgnorable(name) ||
        std::any_of(foreign.begin(), foreign.end(), is_prefix))
      continue;
    return FailedPrecondition("tensor '{}' is not part of this model", name);
  }
  return OkStatus();
}

}  // namespace triptych::weights
