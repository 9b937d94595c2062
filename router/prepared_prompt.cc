#include "router/prepared_prompt.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "common/hash/sha256.h"
#include "common/status_reason.h"
#include "router/validation/prompt.h"

namespace triptych::router {
namespace {

std::span<const uint8_t> AsBytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// The error of one picture, by its number in the prompt.
Status OfImage(size_t index, const Status& status) {
  const std::string field = fmt::format("prompt.images[{}]", index);
  const std::string reason = ReasonOf(status);
  return WithReason(WithContext(field, status), reason.empty() ? "IMAGE" : reason, field);
}

// Collects the pictures of a prompt in order, and its parts as the model card wants them.
class Collector {
 public:
  Collector(const ModelCard& card, const std::string& tenant, const RequestLimits& limits, ImageStore& store)
      : card_(card), tenant_(tenant), limits_(limits), store_(store) {}

  StatusOr<int32_t> AddImage(const v1::Image& proto) {
    const size_t index = images_.size();
    auto image = ResolveImage(proto, tenant_, limits_, store_);
    if (!image.ok()) return OfImage(index, image.status());
    RequestImage& added = images_.emplace_back();
    added.image = *std::move(image);
    added.max_tiles = static_cast<int32_t>(std::min<uint32_t>(proto.max_tiles(), std::numeric_limits<int32_t>::max()));
    return static_cast<int32_t>(index);
  }

  // Once all pictures are there: how finely each is cut where it does not say so hangs on how many there are.
  StatusOr<std::span<const PromptImage>> Settle() {
    for (size_t i = 0; i < images_.size(); ++i) {
      RequestImage& image = images_[i];
      if (image.max_tiles == 0) image.max_tiles = card_.DefaultMaxTiles(static_cast<int32_t>(images_.size()));
      sizes_.push_back({image.image.header.size, image.max_tiles});
      const StatusOr<int32_t> tiles = card_.ImageTiles(sizes_.back());
      if (!tiles.ok()) return OfImage(i, tiles.status());
      image.tiles = *tiles;
      image.key = MakeEmbeddingKey(tenant_, card_.digest(), image.image.digest, image.max_tiles);
    }
    return std::span<const PromptImage>(sizes_);
  }

  StatusOr<std::vector<PromptPart>> AddParts(const google::protobuf::RepeatedPtrField<v1::Part>& protos) {
    std::vector<PromptPart> parts;
    for (const v1::Part& proto : protos) {
      if (proto.has_image()) {
        TRIPTYCH_ASSIGN_OR_RETURN(const int32_t index, AddImage(proto.image()));
        parts.emplace_back(ImageRef{index});
      } else {
        parts.emplace_back(proto.text());
      }
    }
    return parts;
  }

  std::vector<RequestImage> Finish() && { return std::move(images_); }

 private:
  const ModelCard& card_;
  const std::string& tenant_;
  const RequestLimits& limits_;
  ImageStore& store_;
  std::vector<RequestImage> images_;
  std::vector<PromptImage> sizes_;
};

ChatRole ToRole(v1::Role role) {
  switch (role) {
    case v1::ROLE_SYSTEM: return ChatRole::kSystem;
    case v1::ROLE_ASSISTANT: return ChatRole::kAssistant;
    default: return ChatRole::kUser;
  }
}

StatusOr<TokenizedPrompt> Render(const v1::Prompt& prompt, const ModelCard& card, Collector& collector) {
  if (prompt.has_conversation()) {
    std::vector<ChatMessage> messages;
    for (const v1::Message& proto : prompt.conversation().messages()) {
      TRIPTYCH_ASSIGN_OR_RETURN(std::vector<PromptPart> parts, collector.AddParts(proto.parts()));
      messages.push_back({ToRole(proto.role()), std::move(parts)});
    }
    TRIPTYCH_ASSIGN_OR_RETURN(const auto sizes, collector.Settle());
    return card.RenderConversation(messages, sizes);
  }
  if (prompt.has_raw()) {
    TRIPTYCH_ASSIGN_OR_RETURN(const std::vector<PromptPart> parts, collector.AddParts(prompt.raw().parts()));
    TRIPTYCH_ASSIGN_OR_RETURN(const auto sizes, collector.Settle());
    return card.RenderRaw(parts, sizes);
  }
  std::vector<PlacedImage> placed;
  for (const v1::TokenPrompt::PlacedImage& proto : prompt.tokens().images()) {
    TRIPTYCH_ASSIGN_OR_RETURN(const int32_t index, collector.AddImage(proto.image()));
    placed.push_back({static_cast<int32_t>(proto.index()), index});
  }
  const std::vector<TokenId> ids(prompt.tokens().ids().begin(), prompt.tokens().ids().end());
  TRIPTYCH_ASSIGN_OR_RETURN(const auto sizes, collector.Settle());
  return card.RenderTokens(ids, placed, sizes);
}

}  // namespace

StatusOr<StoredImage> ResolveImage(const v1::Image& image,
                                   const std::string& tenant,
                                   const RequestLimits& limits,
                                   ImageStore& store) {
  TRIPTYCH_RETURN_IF_ERROR(CheckImage(image, limits));
  if (image.source_case() == v1::Image::kSha256) {
    auto found = store.Find(tenant, *Sha256FromHex(image.sha256()));
    if (!found) {
      return WithReason(
          NotFound("no picture with sha256 {} was sent, or it is forgotten: send its data",
                   image.sha256()),
          "IMAGE_UNKNOWN");
    }
    return *std::move(found);
  }
  TRIPTYCH_ASSIGN_OR_RETURN(StoredImage read, ReadImage(image.data(), limits));
  store.Put(tenant, read);
  return read;
}

StatusOr<StoredImage> ReadImage(std::string file, const RequestLimits& limits) {
  StoredImage image;
  TRIPTYCH_ASSIGN_OR_RETURN(image.header, ReadImageHeader(AsBytes(file), limits));
  image.digest = Sha256(AsBytes(file));
  image.file = std::make_shared<const std::string>(std::move(file));
  return image;
}

StatusOr<PreparedPrompt> PreparePrompt(const v1::Prompt& prompt,
                                       const ModelCard& card,
                                       const std::string& tenant,
                                       const RequestLimits& limits,
                                       ImageStore& store) {
  TRIPTYCH_RETURN_IF_ERROR(CheckPrompt(prompt, card, limits));
  Collector collector(card, tenant, limits, store);
  PreparedPrompt prepared;
  StatusOr<TokenizedPrompt> tokens = Render(prompt, card, collector);
  if (!tokens.ok()) {
    return ReasonOf(tokens.status()).empty() ? WithReason(WithContext("prompt", tokens.status()), "PROMPT", "prompt") : tokens.status();
  }
  prepared.tokens = *std::move(tokens);
  prepared.images = std::move(collector).Finish();
  for (const ImageSpan& span : prepared.tokens.images) prepared.image_tokens += span.rows;
  return prepared;
}

}  // namespace triptych::router
