#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/status.h"

namespace faiss {
struct IndexFlatIP;
}

namespace triptych {

// Vectors of one space by direction, in memory. Means of token embeddings have much in common which
// says nothing of a text (how frequent its words are, above all), so that all are alike. The mean of
// all and their main directions are taken from each, as soon as there are enough of them for these
// to be known (Arora, Liang and Ma, ICLR 2017; Mu and Viswanath, arXiv 1702.01417). Immutable; one
// thread at a time.
class VectorIndex {
 public:
  struct Row {
    int64_t id = 0;
    std::vector<float> values;
  };
  struct Hit {
    int64_t id = 0;
    float cosine = 0;
  };

  // Rows of equal dimensions, finite and not all zero, in order of id.
  static StatusOr<std::unique_ptr<VectorIndex>> Make(const std::vector<Row>& rows);
  ~VectorIndex();

  // Best first, of equals the lower id. kInvalidArgument: a query of other dimensions, or one that
  // is not finite.
  StatusOr<std::vector<Hit>> Search(const std::vector<float>& query, int64_t count) const;

 private:
  VectorIndex();

  void FindCommon(std::span<const float> values, size_t dimensions);  // values of length 1
  void TakeCommon(std::span<float> values) const;

  std::vector<int64_t> ids_;  // by row
  // What all have in common: taken from each; empty: nothing.
  std::vector<float> mean_;
  std::vector<std::vector<float>> main_directions_;
  std::unique_ptr<faiss::IndexFlatIP> index_;
};

}  // namespace triptych
