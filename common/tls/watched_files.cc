#include "common/tls/watched_files.h"

#include <sys/stat.h>

namespace triptych {

WatchedFiles::WatchedFiles(std::vector<std::string> paths, Duration pause)
    : paths_(std::move(paths)), pause_(pause), stamps_(Look()) {}

bool WatchedFiles::Changed(TimePoint now) {
  if (now < looked_at_ + pause_) return false;
  looked_at_ = now;
  std::vector<Stamp> stamps = Look();
  const bool changed = stamps != stamps_;
  stamps_ = std::move(stamps);
  return changed;
}

std::vector<WatchedFiles::Stamp> WatchedFiles::Look() const {
  std::vector<Stamp> stamps;
  for (const std::string& path : paths_) {
    Stamp& stamp = stamps.emplace_back();
    struct stat file {};
    if (stat(path.c_str(), &file) != 0) continue;
    stamp = {static_cast<int64_t>(file.st_dev), static_cast<int64_t>(file.st_ino), file.st_size,
             file.st_mtim.tv_sec, file.st_mtim.tv_nsec};
  }
  return stamps;
}

}  // namespace triptych
