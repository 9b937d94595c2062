#include "worker/process/token_table.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "fmt/ranges.h"

namespace triptych::worker {

StatusOr<TokenTable> TokenTable::Open(const weights::WeightLoader* loader,
                                      int64_t vocab_size,
                                      int64_t hidden_size) {
  // LLaMA's name and InternLM2's; whole models have a prefix before it.
  constexpr std::array<std::string_view, 2> kNames = {"embed_tokens.weight",
                                                      "tok_embeddings.weight"};
  std::vector<std::string> found = loader->Names();
  std::erase_if(found, [&](const std::string& name) {
    return std::ranges::none_of(kNames, [&](std::string_view end) { return name.ends_with(end); });
  });
  if (found.size() != 1) {
    return FailedPrecondition("the checkpoint has {} tensors whose names end with {}, not one",
                              found.size(), fmt::join(kNames, " or "));
  }
  return TokenTable(loader, std::move(found[0]), {vocab_size, hidden_size});
}

StatusOr<std::vector<float>> TokenTable::MeanOf(std::span<const TokenId> ids) const {
  if (ids.empty()) return InvalidArgument("a text without tokens has no vector");
  std::vector<double> sums(shape_[1]);
  for (const TokenId id : ids) {
    if (id < 0 || id >= shape_[0])
      return InvalidArgument("token {} is outside the vocabulary of {}", id, shape_[0]);
    TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor row,
                              loader_->Load(name_, shape_, {.dim = 0, .begin = id, .end = id + 1}));
    const at::Tensor values = row.to(at::kFloat);
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += values.const_data_ptr<float>()[i];
  }
  std::vector<float> mean;
  for (const double sum : sums) mean.push_back(static_cast<float>(sum / static_cast<double>(ids.size())));
  return mean;
}

}  // namespace triptych::worker
