#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "worker/quantization/layer_source.h"
#include "worker/weights/slice.h"
#include "worker/weights/weight_loader.h"

// What readers of quantised layers share: which part of a stored table a slice of the layer needs.
namespace triptych::quantization {

struct Span {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
};

// Whole units of `unit` neighbours that cover a span, counted in units.
inline Span Cover(Span span, int64_t unit) {
  return {span.begin / unit, (span.end + unit - 1) / unit};
}

// A slice of a layer [out, in].
struct LayerSlice {
  LayerSlice(const StoredLayer& layer, weights::Slice slice)
      : outs(slice.dim == 0 ? Span{slice.begin, slice.end} : Span{0, layer.out}),
        ins(slice.dim == 1 ? Span{slice.begin, slice.end} : Span{0, layer.in}),
        dim(slice.dim) {}

  // Of a table whose rows hang on inputs and whose columns on outputs: the given ones of the
  // dimension that is cut, all of the other.
  weights::Slice OfTable(Span rows, Span columns) const {
    if (dim == 0) return {1, columns.begin, columns.end};
    if (dim == 1) return {0, rows.begin, rows.end};
    return weights::Slice::All();
  }

  Span outs, ins;
  int dim;  // as weights::Slice's
};

// kFailedPrecondition where `count` of a layer's "inputs" or "outputs" do not fill units of `unit`.
Status CheckFills(const StoredLayer& layer, const char* what, int64_t count, int64_t unit);

// int32, contiguous; errors as LoadIntegers'.
StatusOr<at::Tensor> LoadInt32(const weights::WeightLoader& loader,
                               const std::string& name,
                               const std::vector<int64_t>& shape,
                               weights::Slice slice);

}  // namespace triptych::quantization
