#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/model_card/model_card.h"
#include "common/tokenizer/tokenizer.h"
#include "triptych/v1/inference.pb.h"

namespace triptych::router {

// What a model is told in one stage of an article. What comes from users, from the model or from a
// library is never trusted: a special token that is spelled out in it is only text.
struct StagePrompt {
  enum class Form { kRaw, kConversation };
  using Part = std::variant<TextRun, ImageRef>;

  Form form = Form::kRaw;
  std::vector<Part> parts;  // kRaw: all of the prompt; kConversation: the user's message. Pictures
                            // count from 0 in the stage's own list
  std::string answer;       // kConversation: how the answer begins
};

enum class Stage { kArticle, kPlaces, kCaption, kChoice };

// How a stage's answer is made.
struct StageSettings {
  v1::Sampling sampling;
  int32_t min_new_tokens = 0;
  int32_t max_new_tokens = 0;
  int32_t max_tokens = 0;  // of prompt and answer together; 0: the model's context
  std::vector<std::string> stop;
  std::vector<std::string>
      stop_tokens;  // special tokens by their spelling, where the tokenizer has them
};

// A place's caption, as later prompts quote it.
struct PastCaption {
  int32_t paragraph = 0;
  std::string caption;
};

// A choice among candidates. The stage's pictures are those of earlier places, where the choice
// shows them, then the candidates.
struct ChoiceContext {
  std::vector<std::string>
      pieces;  // where the choice shows the article: up to the place, a line break behind each
               // paragraph, cut behind every earlier picture, so that there is one piece more than
               // there are earlier pictures
  std::string paragraph;       // the last before the place
  std::string caption;         // may be empty
  int32_t num_candidates = 0;  // at most kMaxCandidates

  static constexpr int32_t kMaxCandidates = 26;
};

// The words of all stages, for one kind of model. Immutable.
class PromptSet {
 public:
  virtual ~PromptSet() = default;

  virtual StageSettings SettingsOf(Stage stage) const = 0;
  virtual StagePrompt ForArticle(std::string_view instruction, int32_t num_pictures) const = 0;
  // An article that ends with fewer is asked to go on.
  virtual size_t min_paragraphs() const { return 0; }
  // So many pictures where the client sets no limit; 0: as many as the model names.
  virtual size_t UsualPlaces(size_t /*num_paragraphs*/) const { return 0; }
  // After which paragraphs pictures should stand. `count` 0: as many as the model likes.
  virtual StagePrompt ForPlaces(std::span<const std::string> paragraphs,
                                int32_t count,
                                int32_t num_pictures) const = 0;
  // What should be seen after paragraph `place`. `dropped`: how many paragraphs are left out, those
  // that are missed least first.
  virtual StagePrompt ForCaption(std::span<const std::string> paragraphs,
                                 int32_t place,
                                 std::span<const PastCaption> past,
                                 int32_t dropped) const = 0;
  // Each caption's prompt quotes those before it, so that they are asked for one after another.
  virtual bool captions_in_turn() const = 0;
  virtual StagePrompt ForChoice(const ChoiceContext& context) const = 0;
  // A choice is made in view of the article and its earlier pictures, rather than of the place
  // alone.
  virtual bool choice_shows_article() const = 0;
  // The ways of answering that candidate `index` suits best.
  virtual std::vector<std::string> ChoicesFor(int32_t index) const = 0;

  // From answers back to what they mean; whatever a model says, there is a result.
  // Paragraphs below `num_paragraphs`, each once, in the order in which the answer names them.
  virtual std::vector<int32_t> ParsePlaces(std::string_view answer,
                                           int32_t num_paragraphs) const = 0;
  virtual std::string ParseCaption(std::string_view answer) const = 0;
};

// A candidate's letter in an answer, the first after white space and colons; 0 (the first) where
// there is none below `num_candidates`.
int32_t ParseChoice(std::string_view answer, int32_t num_candidates);

// The published prompts for the published XComposers, told by family and special tokens; else
// prompts in English in the model's own chat template.
std::unique_ptr<PromptSet> MakePromptSet(const ModelCard& card);

// The sets, for tests.
std::unique_ptr<PromptSet> MakeXComposer1Prompts();
std::unique_ptr<PromptSet> MakeXComposer2Prompts();
std::unique_ptr<PromptSet> MakeXComposer2d5Prompts();
std::unique_ptr<PromptSet> MakePlainPrompts();

// The prompt as the model sees it: a raw one has BOS in front, once, and every text between
// pictures is tokenised by itself.
StatusOr<TokenizedPrompt> RenderStage(const ModelCard& card,
                                      const StagePrompt& prompt,
                                      std::span<const PromptImage> images);

}  // namespace triptych::router
