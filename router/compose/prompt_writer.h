#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "router/compose/stage_prompts.h"

namespace triptych::router {

// Puts a stage's prompt together from left to right.
class PromptWriter {
 public:
  explicit PromptWriter(StagePrompt::Form form) { prompt_.form = form; }

  PromptWriter& Trusted(std::string_view text) { return Add(text, true); }  // templates alone
  PromptWriter& Text(std::string_view text) { return Add(text, false); }
  PromptWriter& Picture(int32_t index) {
    prompt_.parts.emplace_back(ImageRef{index});
    return *this;
  }
  StagePrompt Finish(std::string answer = {}) && {
    prompt_.answer = std::move(answer);
    return std::move(prompt_);
  }

 private:
  PromptWriter& Add(std::string_view text, bool trusted) {
    prompt_.parts.emplace_back(TextRun{std::string(text), trusted});
    return *this;
  }
  StagePrompt prompt_;
};

}  // namespace triptych::router
