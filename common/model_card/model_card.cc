#include "common/model_card/model_card.h"

#include <algorithm>

namespace triptych {

StatusOr<TokenizedPrompt> ModelCard::RenderTokens(std::span<const TokenId> ids,
                                                  std::span<const PlacedImage> placed,
                                                  std::span<const PromptImage> images) const {
  for (const TokenId id : ids) {
    if (id < 0 || id >= vocab_size()) return InvalidArgument("token id {} is not below the vocabulary's {}", id, vocab_size());
  }
  PromptBuilder builder(this, images);
  size_t next = 0;
  for (const PlacedImage& place : placed) {
    if (place.index < static_cast<int64_t>(next) || place.index > static_cast<int64_t>(ids.size())) {
      return InvalidArgument("a picture stands at index {}, allowed are {} to {} in rising order", place.index, next, ids.size());
    }
    builder.AddIds(ids.subspan(next, place.index - next));
    TRIPTYCH_RETURN_IF_ERROR(builder.AddImage(place.image));
    next = place.index;
  }
  builder.AddIds(ids.subspan(next));
  return std::move(builder).Finish();
}

void PromptBuilder::AddIds(std::span<const TokenId> ids) { prompt_.ids.insert(prompt_.ids.end(), ids.begin(), ids.end()); }

Status PromptBuilder::AddImage(int32_t image) {
  if (image < 0 || static_cast<size_t>(image) >= images_.size()) return Internal("the prompt names picture {} of {}", image, images_.size());
  PromptImage picture = images_[image];
  if (picture.max_tiles == 0) picture.max_tiles = card_->DefaultMaxTiles(static_cast<int32_t>(images_.size()));
  TRIPTYCH_ASSIGN_OR_RETURN(const int32_t rows, card_->ImageRows(picture));
  prompt_.images.push_back({static_cast<int32_t>(prompt_.ids.size()), rows, image});
  prompt_.ids.insert(prompt_.ids.end(), rows, kImageRow);
  return OkStatus();
}

}  // namespace triptych
