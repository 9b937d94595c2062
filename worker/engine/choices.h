#pragma once

#include <span>
#include <vector>

#include "common/ids.h"

namespace triptych::engine {

// Where an output stands among the choices it must become one of.
struct ChoiceState {
  std::vector<TokenId> next;  // ids that some choice goes on with, ascending, each once
  bool complete = false;      // the output is one of the choices
};

ChoiceState FollowChoices(std::span<const std::vector<TokenId>> choices, std::span<const TokenId> output);

}  // namespace triptych::engine
