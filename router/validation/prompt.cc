#include "router/validation/prompt.h"

#include "common/hash/sha256.h"
#include "router/validation/field_error.h"

namespace triptych::router {
namespace {

// Sums over all parts of one prompt.
struct Tally {
  int64_t text_bytes = 0;
  int64_t images = 0;
};

Status CheckParts(const google::protobuf::RepeatedPtrField<v1::Part>& parts,
                  const RequestLimits& limits,
                  Tally& tally) {
  for (const v1::Part& part : parts) {
    if (part.has_image()) {
      ++tally.images;
      TRIPTYCH_RETURN_IF_ERROR(CheckImage(part.image(), limits));
    } else if (part.has_text()) {
      tally.text_bytes += static_cast<int64_t>(part.text().size());
      if (tally.text_bytes > limits.max_text_bytes) break;  // reported by the sums' check
      if (!IsValidUtf8(part.text())) return BadField("UTF8", "prompt.text", "not valid UTF-8");
    } else {
      return BadField("EMPTY_PART", "prompt.parts", "a part must be text or an image");
    }
  }
  return OkStatus();
}

Status CheckConversation(const v1::Conversation& conversation,
                         const RequestLimits& limits,
                         Tally& tally) {
  const std::string_view field = "prompt.conversation.messages";
  if (conversation.messages().empty()) return BadField("EMPTY", field, "at least one is needed");
  TRIPTYCH_RETURN_IF_ERROR(CheckCount(field, conversation.messages_size(), limits.max_messages));
  for (const v1::Message& message : conversation.messages()) {
    if (message.role() < v1::ROLE_SYSTEM || message.role() > v1::ROLE_ASSISTANT) {
      return BadField("ROLE",
                      "prompt.conversation.messages.role",
                      "must be system, user or assistant, got {}",
                      static_cast<int>(message.role()));
    }
    if (message.parts().empty()) {
      return BadField("EMPTY", "prompt.conversation.messages.parts", "a message has at least one");
    }
    TRIPTYCH_RETURN_IF_ERROR(CheckParts(message.parts(), limits, tally));
  }
  return OkStatus();
}

Status CheckTokenIds(const v1::TokenPrompt& prompt, const ModelCard& card) {
  for (uint32_t id : prompt.ids()) {
    if (id >= static_cast<uint32_t>(card.vocab_size())) {
      return BadField("TOKEN_ID",
                      "prompt.tokens.ids",
                      "token ids lie below {}, got {}",
                      card.vocab_size(),
                      id);
    }
    if (card.accepts_images() && static_cast<TokenId>(id) == card.image_placeholder()) {
      return BadField("TOKEN_ID",
                      "prompt.tokens.ids",
                      "image rows are given by images, not by their own id, {}",
                      id);
    }
  }
  return OkStatus();
}

Status CheckTokens(const v1::TokenPrompt& prompt,
                   const ModelCard& card,
                   const RequestLimits& limits,
                   Tally& tally) {
  if (prompt.ids().empty() && prompt.images().empty()) {
    return BadField("EMPTY", "prompt.tokens.ids", "at least one is needed");
  }
  TRIPTYCH_RETURN_IF_ERROR(
      CheckCount("prompt.tokens.ids", prompt.ids_size(), limits.max_prompt_ids));
  TRIPTYCH_RETURN_IF_ERROR(CheckTokenIds(prompt, card));
  tally.images = prompt.images_size();
  uint32_t last = 0;
  for (const v1::TokenPrompt::PlacedImage& placed : prompt.images()) {
    if (placed.index() > static_cast<uint32_t>(prompt.ids_size()) || placed.index() < last) {
      return BadField("IMAGE_INDEX",
                      "prompt.tokens.images.index",
                      "must rise from 0 to the number of ids, {}, got {}",
                      prompt.ids_size(),
                      placed.index());
    }
    last = placed.index();
    TRIPTYCH_RETURN_IF_ERROR(CheckImage(placed.image(), limits));
  }
  return OkStatus();
}

Status CheckForm(const v1::Prompt& prompt,
                 const ModelCard& card,
                 const RequestLimits& limits,
                 Tally& tally) {
  switch (prompt.prompt_case()) {
    case v1::Prompt::kConversation:
      return CheckConversation(prompt.conversation(), limits, tally);
    case v1::Prompt::kRaw:
      if (prompt.raw().parts().empty()) {
        return BadField("EMPTY", "prompt.raw.parts", "at least one is needed");
      }
      return CheckParts(prompt.raw().parts(), limits, tally);
    case v1::Prompt::kTokens:
      return CheckTokens(prompt.tokens(), card, limits, tally);
    case v1::Prompt::PROMPT_NOT_SET:
      break;
  }
  return BadField("EMPTY", "prompt", "one of conversation, raw and tokens must be set");
}

}  // namespace

Status CheckImage(const v1::Image& image, const RequestLimits& limits) {
  switch (image.source_case()) {
    case v1::Image::kData:
      if (static_cast<int64_t>(image.data().size()) > limits.max_image_bytes) {
        return BadField("IMAGE_TOO_LARGE",
                        "image.data",
                        "a picture file has at most {} bytes, got {}",
                        limits.max_image_bytes,
                        image.data().size());
      }
      return OkStatus();
    case v1::Image::kSha256:
      if (Sha256FromHex(image.sha256())) return OkStatus();
      return BadField("SHA256",
                      "image.sha256",
                      "a digest has 64 hexadecimal digits, got {} characters",
                      image.sha256().size());
    case v1::Image::kUrl:
      return BadField("URL_NOT_ALLOWED",
                      "image.url",
                      "this server fetches no pictures: send data, or sha256 of an upload");
    case v1::Image::SOURCE_NOT_SET:
      break;
  }
  return BadField("IMAGE_SOURCE", "image", "one of data and sha256 must be set");
}

Status CheckPrompt(const v1::Prompt& prompt, const ModelCard& card, const RequestLimits& limits) {
  Tally tally;
  TRIPTYCH_RETURN_IF_ERROR(CheckForm(prompt, card, limits, tally));
  if (tally.text_bytes > limits.max_text_bytes) {
    return BadField("TEXT_TOO_LONG",
                    "prompt",
                    "all text together has at most {} bytes, got more",
                    limits.max_text_bytes);
  }
  if (tally.images > 0 && !card.accepts_images()) {
    return BadField("IMAGES_NOT_ACCEPTED", "prompt", "this model takes no pictures");
  }
  return CheckCount("prompt.images", tally.images, limits.max_images);
}

}  // namespace triptych::router
