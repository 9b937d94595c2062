#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "worker/engine/step_plan.h"
#include "worker/kernels/paged_attention.h"
#include "worker/model/layers/rotary.h"
#include "worker/model/layers/row_run.h"

namespace triptych::model {

// What every layer needs to know of a step's n rows, on the device.
struct StepTensors {
  at::Tensor ids;  // [n] int32, kImageRow on image rows
  kernels::PagedRows rows;
  layers::RotaryTables rotary;
  at::Tensor wanted;  // [wanted] int64: rows whose logits are asked for
  layers::LowRankRows low_rank;
};

StepTensors MakeStepTensors(const engine::StepPlan& plan,
                            const layers::RotaryConfig& rotary,
                            at::Device device);

}  // namespace triptych::model
