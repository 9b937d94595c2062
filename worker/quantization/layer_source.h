#pragma once

#include <cstdint>
#include <string>

#include "common/status.h"
#include "worker/kernels/quantized_matrix.h"
#include "worker/quantization/scheme.h"
#include "worker/weights/slice.h"
#include "worker/weights/weight_loader.h"

namespace triptych::quantization {

// A linear layer's weights in a checkpoint: y [out] of x [in].
struct StoredLayer {
  std::string name;  // its tensors are `name`.qweight and so on, or `name`.weight
  int64_t in = 0;
  int64_t out = 0;
};

// Each reads a slice of a layer's weights, named as if they were stored [out, in]: dimension 0 are
// outputs, 1 are inputs. Ends of the slice need not fall between groups or stored words: what
// shares one with the slice is read, and not kept. kFailedPrecondition names tensor, file, what was
// found and what is wanted.

// GPTQ (arXiv 2210.17323) as AutoGPTQ stores it: `name`.qweight [in / n, out] of n inputs in an
// int32 word, qzeros [groups, out / n], scales [groups, out], g_idx [in]: each input's group, in
// whatever order its activations put them. Zeros that count are the stored ones plus one, within
// their bits, unless the format is gptq_v2.
StatusOr<kernels::QuantizedMatrix> LoadGptq(const weights::WeightLoader& loader,
                                            const Scheme& scheme,
                                            const StoredLayer& layer,
                                            weights::Slice slice);

// AWQ (arXiv 2306.00978) as AutoAWQ and lmdeploy store it: `name`.qweight [in, out / 8] of eight
// outputs in an int32 word, qzeros [groups, out / 8], scales [groups, out]; words interleaved.
StatusOr<kernels::QuantizedMatrix> LoadAwq(const weights::WeightLoader& loader,
                                           const Scheme& scheme,
                                           const StoredLayer& layer,
                                           weights::Slice slice);

// Floating-point weights `name`.weight [out, in], rounded to nearest in the groups of the whole
// matrix: slices of it are the same whatever the ranks. Some hundred rows are in floating point at
// a time; of a slice of inputs, that slice in its stored type.
StatusOr<kernels::QuantizedMatrix> LoadRounded(const weights::WeightLoader& loader,
                                               const Scheme& scheme,
                                               const StoredLayer& layer,
                                               weights::Slice slice);

// By the scheme's method, which is not kNone.
StatusOr<kernels::QuantizedMatrix> LoadQuantized(const weights::WeightLoader& loader,
                                                 const Scheme& scheme,
                                                 const StoredLayer& layer,
                                                 weights::Slice slice);

}  // namespace triptych::quantization
