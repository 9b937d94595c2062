#include "worker/weights/progress_loader.h"

#include <utility>

namespace triptych::weights {
namespace {

double Megabytes(int64_t bytes) { return static_cast<double>(bytes) / 1e6; }
double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

WeightTotals CountWeights(const WeightLoader& loader) {
  WeightTotals totals;
  for (const std::string& name : loader.Names()) {
    ++totals.tensors;
    totals.bytes += loader.StoredBytes(name);
  }
  return totals;
}

ProgressLoader::ProgressLoader(const WeightLoader* loader, Options options, const Clock* clock)
    : loader_(*loader),
      options_(std::move(options)),
      totals_(CountWeights(*loader)),
      clock_(*clock),
      begin_(clock->Now()),
      last_line_(begin_) {}

StatusOr<at::Tensor> ProgressLoader::Load(std::string_view name,
                                          const std::vector<int64_t>& shape,
                                          Slice slice) const {
  return Count(name, loader_.Load(name, shape, slice));
}

StatusOr<at::Tensor> ProgressLoader::LoadIntegers(std::string_view name,
                                                  const std::vector<int64_t>& shape,
                                                  Slice slice) const {
  return Count(name, loader_.LoadIntegers(name, shape, slice));
}

StatusOr<at::Tensor> ProgressLoader::Count(std::string_view name, StatusOr<at::Tensor> read) const {
  if (!read.ok()) return read;
  std::string line;
  {
    const absl::MutexLock lock(&mutex_);
    names_.emplace(name);
    bytes_ += static_cast<int64_t>(read->nbytes());
    const TimePoint now = clock_.Now();
    if (now - last_line_ < options_.interval) return read;
    last_line_ = now;
    line = fmt::format("{}: {} tensors, {:.1f} MB", options_.who, names_.size(), Megabytes(bytes_));
    if (totals_.tensors > 0) {
      line += fmt::format(
          " of the checkpoint's {} tensors, {:.1f} MB", totals_.tensors, Megabytes(totals_.bytes));
    }
  }
  options_.log(line);
  return read;
}

void ProgressLoader::Finish() const {
  const double seconds = Seconds(clock_.Now() - begin_);
  std::string line;
  {
    const absl::MutexLock lock(&mutex_);
    line = fmt::format("{}: all {} tensors, {:.1f} MB in {:.1f} s ({:.0f} MB/s)",
                       options_.who,
                       names_.size(),
                       Megabytes(bytes_),
                       seconds,
                       seconds > 0 ? Megabytes(bytes_) / seconds : 0.0);
  }
  options_.log(line);
}

}  // namespace triptych::weights
