#include "worker/engine/choices.h"

#include <algorithm>

namespace triptych::engine {

ChoiceState FollowChoices(std::span<const std::vector<TokenId>> choices, std::span<const TokenId> output) {
  ChoiceState state;
  for (const std::vector<TokenId>& choice : choices) {
    if (choice.size() < output.size() || !std::equal(output.begin(), output.end(), choice.begin())) continue;
    if (choice.size() == output.size()) {
      state.complete = true;
    } else {
      state.next.push_back(choice[output.size()]);
    }
  }
  std::ranges::sort(state.next);
  state.next.erase(std::unique(state.next.begin(), state.next.end()), state.next.end());
  return state;
}

}  // namespace triptych::engine
