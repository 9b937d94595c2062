#include "common/picture_index/vector_index.h"

#include <faiss/IndexFlat.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace triptych {
namespace {

constexpr size_t kLeastForCommon = 256;  // of fewer vectors it is a matter of chance
constexpr size_t kMostForCommon = 4096;  // of more vectors so many tell enough
constexpr size_t kMainDirections = 4;
constexpr int kRounds = 30;

double Product(std::span<const float> a, std::span<const float> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// a += factor * b
void AddTo(std::span<float> a, double factor, std::span<const float> b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += static_cast<float>(factor * b[i]);
}

// To length 1. False: it has none.
bool Normalise(std::span<float> values) {
  const double square = Product(values, values);
  if (!std::isfinite(square) || square < 1e-12) return false;
  const double scale = 1 / std::sqrt(square);
  for (float& value : values) value = static_cast<float>(value * scale);
  return true;
}

void TakeAway(std::span<const float> direction, std::span<float> values) {
  AddTo(values, -Product(values, direction), direction);
}

std::vector<float> MeanOf(const std::vector<std::span<const float>>& rows) {
  std::vector<float> mean(rows[0].size());
  for (const auto& row : rows) AddTo(mean, 1.0 / static_cast<double>(rows.size()), row);
  return mean;
}

// Those in which the rows, whose mean is zero, differ most, each of length 1 and at right angles to
// the others: by power iteration from where a row points.
std::vector<std::vector<float>> MainDirectionsOf(const std::vector<std::vector<float>>& rows) {
  std::vector<std::vector<float>> directions;
  while (directions.size() < kMainDirections) {
    std::vector<float> direction = rows[directions.size()];
    for (int round = 0; round < kRounds; ++round) {
      std::vector<float> next(direction.size());
      for (const std::vector<float>& row : rows) AddTo(next, Product(row, direction), row);
      for (const std::vector<float>& earlier : directions) TakeAway(earlier, next);
      if (!Normalise(next)) return directions;  // there are no more
      direction = std::move(next);
    }
    directions.push_back(std::move(direction));
  }
  return directions;
}

}  // namespace

VectorIndex::VectorIndex() = default;
VectorIndex::~VectorIndex() = default;

StatusOr<std::unique_ptr<VectorIndex>> VectorIndex::Make(const std::vector<Row>& rows) {
  std::unique_ptr<VectorIndex> made(new VectorIndex);
  if (rows.empty()) return made;
  const size_t dimensions = rows[0].values.size();
  std::vector<float> values;
  values.reserve(rows.size() * dimensions);
  for (const Row& row : rows) {
    if (row.values.size() != dimensions || dimensions == 0)
      return InvalidArgument("vector {} has {} dimensions, others {}", row.id, row.values.size(), dimensions);
    values.insert(values.end(), row.values.begin(), row.values.end());
    if (!Normalise(std::span(values).last(dimensions)))
      return InvalidArgument("vector {} has no direction: it is zero or not finite", row.id);
    made->ids_.push_back(row.id);
  }
  if (rows.size() >= kLeastForCommon) made->FindCommon(values, dimensions);
  for (size_t i = 0; i < rows.size(); ++i)
    made->TakeCommon(std::span(values).subspan(i * dimensions, dimensions));
  try {
    made->index_ = std::make_unique<faiss::IndexFlatIP>(static_cast<int64_t>(dimensions));
    made->index_->add(static_cast<int64_t>(rows.size()), values.data());
  } catch (const std::exception& error) {
    return ResourceExhausted("an index of {} vectors cannot be made: {}", rows.size(), error.what());
  }
  return made;
}

void VectorIndex::FindCommon(std::span<const float> values, size_t dimensions) {
  const size_t num_rows = values.size() / dimensions;
  const size_t stride = (num_rows + kMostForCommon - 1) / kMostForCommon;
  std::vector<std::span<const float>> rows;
  for (size_t i = 0; i < num_rows; i += stride)
    rows.push_back(values.subspan(i * dimensions, dimensions));
  mean_ = MeanOf(rows);
  std::vector<std::vector<float>> own;
  for (const auto& row : rows) {
    own.emplace_back(row.begin(), row.end());
    AddTo(own.back(), -1, mean_);
    Normalise(own.back());
  }
  main_directions_ = MainDirectionsOf(own);
}

// A vector that has nothing of its own becomes zero, which is like nothing.
void VectorIndex::TakeCommon(std::span<float> values) const {
  if (mean_.empty()) return;
  AddTo(values, -1, mean_);
  for (const std::vector<float>& direction : main_directions_) TakeAway(direction, values);
  if (!Normalise(values)) std::ranges::fill(values, 0.0F);
}

StatusOr<std::vector<VectorIndex::Hit>> VectorIndex::Search(const std::vector<float>& query,
                                                            int64_t count) const {
  std::vector<Hit> hits;
  if (ids_.empty()) return hits;
  std::vector<float> values = query;
  if (std::ssize(values) != index_->d)
    return InvalidArgument("the query has {} dimensions, the pictures' vectors have {}", values.size(), index_->d);
  if (!Normalise(values)) return InvalidArgument("the query has no direction: it is zero or not finite");
  TakeCommon(values);
  count = std::min(count, std::ssize(ids_));
  std::vector<float> cosines(count);
  std::vector<int64_t> rows(count);
  try {
    index_->search(1, values.data(), count, cosines.data(), rows.data());
  } catch (const std::exception& error) {
    return Internal("the index of vectors failed: {}", error.what());
  }
  for (int64_t i = 0; i < count; ++i) {
    if (rows[i] >= 0) hits.push_back({ids_[rows[i]], cosines[i]});
  }
  std::ranges::stable_sort(hits, [](const Hit& a, const Hit& b) {
    return a.cosine != b.cosine ? a.cosine > b.cosine : a.id < b.id;
  });
  return hits;
}

}  // namespace triptych
