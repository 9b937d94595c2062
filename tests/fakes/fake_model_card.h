#pragma once

#include <string>
#include <vector>

#include "common/model_card/model_card.h"

namespace triptych::fakes {

// One id for each byte, after <unk>, BOS and EOS, so that characters of several bytes span tokens and text can be counted by hand.
class ByteTokenizer final : public Tokenizer {
 public:
  static constexpr TokenId kFirstByte = 3;

  std::vector<TokenId> Encode(std::span<const TextRun> runs) const override {
    std::vector<TokenId> ids;
    for (const TextRun& run : runs) {
      for (const unsigned char byte : run.text) ids.push_back(kFirstByte + byte);
    }
    return ids;
  }
  std::string Bytes(TokenId id) const override {
    return id < kFirstByte ? std::string() : std::string(1, static_cast<char>(id - kFirstByte));
  }
  int32_t vocab_size() const override { return kFirstByte + 256; }
  TokenId bos() const override { return 1; }
  TokenId eos() const override { return 2; }
  TokenId SpecialId(std::string_view) const override { return -1; }
};

// A model whose prompts are BOS and the bytes of all texts; a picture takes 4 rows and as many tiles as max_tiles asks for.
class FakeModelCard : public ModelCard {
 public:
  static constexpr int32_t kImageRows = 4;
  static constexpr int32_t kMaxTilesOfAPicture = 8;

  explicit FakeModelCard(int32_t context_tokens = 4096, bool accepts_images = true)
      : context_tokens_(context_tokens), accepts_images_(accepts_images) {
    defaults_.max_new_tokens = 64;
    defaults_.stop_token_ids = {tokenizer_.eos()};
    digest_.fill(7);
  }

  const std::string& family() const override { return family_; }
  int32_t context_tokens() const override { return context_tokens_; }
  int32_t vocab_size() const override { return tokenizer_.vocab_size(); }
  int32_t hidden_size() const override { return 8; }
  bool accepts_images() const override { return accepts_images_; }
  TokenId image_placeholder() const override { return 0; }
  const GenerationDefaults& defaults() const override { return defaults_; }
  const Tokenizer& tokenizer() const override { return tokenizer_; }
  const Sha256Digest& digest() const override { return digest_; }
  int32_t max_tiles() const override { return accepts_images_ ? kMaxTilesOfAPicture : 0; }
  StatusOr<int32_t> ImageRows(const PromptImage& image) const override {
    TRIPTYCH_RETURN_IF_ERROR(ImageTiles(image).status());
    return kImageRows;
  }
  StatusOr<int32_t> ImageTiles(const PromptImage& image) const override {
    if (image.max_tiles >= 0 && image.max_tiles <= kMaxTilesOfAPicture) return std::max(1, image.max_tiles);
    return InvalidArgument("max_tiles must lie between 0 and {}, got {}", kMaxTilesOfAPicture, image.max_tiles);
  }
  StatusOr<TokenizedPrompt> RenderConversation(
      std::span<const ChatMessage> messages, std::span<const PromptImage> images) const override {
    std::vector<PromptPart> parts;
    for (const ChatMessage& message : messages) {
      parts.insert(parts.end(), message.parts.begin(), message.parts.end());
    }
    return RenderRaw(parts, images);
  }
  StatusOr<TokenizedPrompt> RenderRaw(std::span<const PromptPart> parts,
                                      std::span<const PromptImage> images) const override {
    PromptBuilder builder(this, images);
    builder.AddIds(std::vector<TokenId>{tokenizer_.bos()});
    for (const PromptPart& part : parts) {
      if (const auto* ref = std::get_if<ImageRef>(&part)) {
        TRIPTYCH_RETURN_IF_ERROR(builder.AddImage(ref->image));
      } else {
        builder.AddIds(tokenizer_.Tokenizer::Encode(std::get<std::string>(part), true));
      }
    }
    return std::move(builder).Finish();
  }

 private:
  const std::string family_ = "fake";
  const int32_t context_tokens_;
  const bool accepts_images_;
  ByteTokenizer tokenizer_;
  GenerationDefaults defaults_;
  Sha256Digest digest_;
};

}  // namespace triptych::fakes
