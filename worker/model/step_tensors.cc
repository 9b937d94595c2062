#include "worker/model/step_tensors.h"

#include <algorithm>

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

namespace triptych::model {
namespace {

using engine::LogitsWanted;
using engine::SequenceStep;
using engine::StepPlan;

template <typename T>
at::Tensor ToTensor(const std::vector<T>& values, at::ScalarType dtype, at::Device device) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(values.size())}, dtype);
  std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<T>());
  return tensor.to(device);
}

at::Tensor BlockTables(const StepPlan& plan, at::Device device) {
  size_t width = 0;
  for (const SequenceStep& sequence : plan.sequences)
    width = std::max(width, sequence.blocks.size());
  at::Tensor tables = at::full(
      {static_cast<int64_t>(plan.sequences.size()), static_cast<int64_t>(width)}, -1, at::kInt);
  int32_t* row = tables.mutable_data_ptr<int32_t>();
  for (const SequenceStep& sequence : plan.sequences) {
    std::copy(sequence.blocks.begin(), sequence.blocks.end(), row);
    row += width;
  }
  return tables.to(device);
}

void AddImageRow(int64_t row, std::vector<layers::RowRun>& runs) {
  if (!runs.empty() && runs.back().begin + runs.back().count == row) {
    ++runs.back().count;
  } else {
    runs.push_back({row, 1});
  }
}

// All rows of a sequence that uses an adapter; neighbours that use the same become one run.
void AddAdapterRows(int64_t begin, const SequenceStep& sequence, std::vector<layers::AdapterRun>& runs) {
  if (sequence.adapter == 0) return;
  const auto count = static_cast<int64_t>(sequence.tokens.size());
  const bool joins = !runs.empty() && runs.back().adapter == sequence.adapter &&
                     runs.back().rows.begin + runs.back().rows.count == begin;
  if (joins) {
    runs.back().rows.count += count;
  } else {
    runs.push_back({{begin, count}, sequence.adapter});
  }
}

}  // namespace

StepTensors MakeStepTensors(const StepPlan& plan,
                            const layers::RotaryConfig& rotary,
                            at::Device device) {
  StepTensors step;
  std::vector<int32_t> ids, positions, sequence_rows;
  std::vector<int64_t> wanted;
  std::vector<layers::RotaryRow> rotary_rows;
  for (size_t s = 0; s < plan.sequences.size(); ++s) {
    const SequenceStep& sequence = plan.sequences[s];
    AddAdapterRows(static_cast<int64_t>(ids.size()), sequence, step.low_rank.adapters);
    for (size_t i = 0; i < sequence.tokens.size(); ++i) {
      const int64_t row = static_cast<int64_t>(ids.size());
      const int32_t position = sequence.first_position + static_cast<int32_t>(i);
      const bool is_last = i + 1 == sequence.tokens.size();
      if (sequence.tokens[i] == kImageRow) AddImageRow(row, step.low_rank.images);
      if (sequence.logits == LogitsWanted::kAll ||
          (sequence.logits == LogitsWanted::kLast && is_last)) {
        wanted.push_back(row);
      }
      ids.push_back(sequence.tokens[i]);
      positions.push_back(position);
      sequence_rows.push_back(static_cast<int32_t>(s));
      rotary_rows.push_back({position, sequence.prompt_tokens});
    }
  }
  step.ids = ToTensor(ids, at::kInt, device);
  step.rows = {ToTensor(positions, at::kInt, device),
               ToTensor(sequence_rows, at::kInt, device),
               BlockTables(plan, device)};
  step.rotary = layers::MakeRotaryTables(rotary, rotary_rows, device);
  step.wanted = ToTensor(wanted, at::kLong, device);
  return step;
}

}  // namespace triptych::model
