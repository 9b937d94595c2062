#include "router/stop_strings.h"

#include <algorithm>
#include <utility>

namespace triptych::router {

StopStrings::Result StopStrings::Feed(std::string_view text, bool armed) {
  Result result;
  if (stops_.empty()) {
    result.text = text;
    return result;
  }
  for (const char byte : text) {
    pending_.push_back(byte);
    const std::string* stop = armed ? CompleteAtEnd() : nullptr;
    if (stop == nullptr) continue;
    pending_.resize(pending_.size() - stop->size());
    result.text = std::exchange(pending_, {});
    result.stop = *stop;
    return result;
  }
  const size_t certain = pending_.size() - HeldBytes();
  result.text = pending_.substr(0, certain);
  pending_.erase(0, certain);
  return result;
}

std::string StopStrings::Flush() { return std::exchange(pending_, {}); }

const std::string* StopStrings::CompleteAtEnd() const {
  const std::string* longest = nullptr;
  for (const std::string& stop : stops_) {
    if (pending_.ends_with(stop) && (longest == nullptr || stop.size() > longest->size())) {
      longest = &stop;
    }
  }
  return longest;
}

// The longest end of the text that is a stop string's proper beginning.
size_t StopStrings::HeldBytes() const {
  size_t held = 0;
  for (const std::string& stop : stops_) {
    for (size_t n = std::min(stop.size() - 1, pending_.size()); n > held; --n) {
      if (std::string_view(pending_).ends_with(std::string_view(stop).substr(0, n))) held = n;
    }
  }
  return held;
}

}  // namespace triptych::router
