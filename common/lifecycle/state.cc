#include "common/lifecycle/state.h"

namespace triptych {

std::string_view Name(LifecycleState state) {
  switch (state) {
    case LifecycleState::kStarting: return "starting";
    case LifecycleState::kLoading: return "loading";
    case LifecycleState::kReady: return "ready";
    case LifecycleState::kSuspect: return "suspect";
    case LifecycleState::kDraining: return "draining";
    case LifecycleState::kGone: return "gone";
  }
  return "unknown";
}

bool MayFollow(LifecycleState from, LifecycleState to) {
  using enum LifecycleState;
  if (from == kGone) return false;
  if (to == kGone || from == to) return true;
  switch (from) {
    case kStarting: return to == kLoading || to == kDraining;
    case kLoading: return to == kReady || to == kDraining;
    case kReady: return to == kSuspect || to == kDraining;
    case kSuspect: return to == kReady || to == kDraining;
    case kDraining:
    case kGone: return false;
  }
  return false;
}

}  // namespace triptych
