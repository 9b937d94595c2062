#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "common/ids.h"
#include "common/model_card/image_geometry.h"
#include "common/status.h"
#include "common/tokenizer/tokenizer.h"

namespace triptych {

enum class ChatRole { kSystem, kUser, kAssistant };

// A picture as a prompt sees it: only its size matters.
struct PromptImage {
  ImageSize size;
  int32_t max_tiles = 0;  // 0: the model's default for as many pictures as the prompt has
};
// Text, or the index of a picture in the prompt's list.
struct ImageRef { int32_t image = 0; };
using PromptPart = std::variant<std::string, ImageRef>;
struct ChatMessage {
  ChatRole role = ChatRole::kUser;
  std::vector<PromptPart> parts;
};
struct PlacedImage { int32_t index = 0; int32_t image = 0; };

// A prompt as the decoder sees it: ids with kImageRow on image rows.
struct TokenizedPrompt {
  std::vector<TokenId> ids;
  std::vector<ImageSpan> images;  // in order of position
};

// What generate() of the published code does unless told otherwise.
struct GenerationDefaults {
  int32_t max_new_tokens = 1024;
  std::vector<TokenId> stop_token_ids;
  bool penalty_sees_prompt = false;  // false: repetition penalty sees BOS, if there is one, and output only, as with inputs_embeds
};

// What a model is, as far as no tensor is needed: sizes, tokenizer, templates, how many tokens a picture takes. Immutable and
// thread-safe. One subclass for each family, in a folder of its own; made by LoadModelCard.
class ModelCard {
 public:
  virtual ~ModelCard() = default;

  virtual const std::string& family() const = 0;
  virtual int32_t context_tokens() const = 0;
  virtual int32_t vocab_size() const = 0;       // rows of the embedding: ids run below it
  virtual int32_t hidden_size() const = 0;
  virtual bool accepts_images() const = 0;
  virtual TokenId image_placeholder() const = 0;   // what CountTokens shows on image rows
  virtual const GenerationDefaults& defaults() const = 0;
  virtual const Tokenizer& tokenizer() const = 0;
  // SHA-256 over the configuration and tokenizer files: equal digests give equal token sequences.
  virtual const Sha256Digest& digest() const = 0;
  // What a request's adapter may name, first the model without one; empty: nothing. Workers know an adapter by its place in this list.
  virtual std::span<const std::string> adapters() const { return {}; }

  // False: RenderConversation refuses everything, for want of a chat template.
  virtual bool accepts_conversations() const { return true; }

  // The most that a picture's max_tiles may be; 1: pictures are not cut into tiles; 0: it takes none.
  virtual int32_t max_tiles() const { return accepts_images() ? 1 : 0; }
  // The max_tiles of a picture that asks for none, in a prompt of so many pictures.
  virtual int32_t DefaultMaxTiles(int32_t /*num_images*/) const { return 1; }
  // Exactly as many rows as the encoder will make, and tiles as its tower will run; max_tiles 0 stands for DefaultMaxTiles(1).
  // kInvalidArgument for max_tiles out of range and for sizes that cannot be tiled.
  virtual StatusOr<int32_t> ImageRows(const PromptImage& image) const = 0;
  virtual StatusOr<int32_t> ImageTiles(const PromptImage& image) const = 0;

  // The model's own chat template; texts are only text. kInvalidArgument for roles out of order or no user message.
  virtual StatusOr<TokenizedPrompt> RenderConversation(std::span<const ChatMessage> messages,
                                                       std::span<const PromptImage> images) const = 0;
  // Taken as it is, special tokens included; only BOS is added, once, in front, if the tokenizer has one there.
  virtual StatusOr<TokenizedPrompt> RenderRaw(std::span<const PromptPart> parts,
                                              std::span<const PromptImage> images) const = 0;
  // Token ids as they are; each picture is spliced in before the id at its index.
  StatusOr<TokenizedPrompt> RenderTokens(std::span<const TokenId> ids,
                                         std::span<const PlacedImage> placed,
                                         std::span<const PromptImage> images) const;
};

// Puts a prompt together, for the families' cards.
class PromptBuilder {
 public:
  PromptBuilder(const ModelCard* card, std::span<const PromptImage> images) : card_(card), images_(images) {}
  void AddIds(std::span<const TokenId> ids);
  Status AddImage(int32_t image);  // as many image rows as the card says, by the prompt's default where max_tiles is 0
  TokenizedPrompt Finish() && { return std::move(prompt_); }

 private:
  const ModelCard* const card_;
  const std::span<const PromptImage> images_;
  TokenizedPrompt prompt_;
};

// Reads config.json, generation_config.json and the tokenizer of a checkpoint folder. kFailedPrecondition names file and key.
StatusOr<std::unique_ptr<ModelCard>> LoadModelCard(const std::string& model_dir);

}  // namespace triptych
