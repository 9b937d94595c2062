#pragma once

#include <stdexcept>

#include <ATen/core/Tensor.h>

#include "common/status.h"

namespace triptych::comm {

// Collectives of one tensor-parallel group, on the current stream. Rank thread only, except Abort(). Every rank makes the same
// calls in the same order with the same shapes. Sums are taken in rank order whatever the transport, so that no bit hangs on how
// ranks are spread over processes or on the number of rows. Failures throw CommunicatorError (caught in RankThread).
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual void AllReduceSum(at::Tensor& data) = 0;                 // in place, contiguous float32 or bfloat16
  virtual at::Tensor AllGather(const at::Tensor& part) = 0;        // [n, d] -> [n, d * size], columns in rank order
  virtual void Broadcast(at::Tensor& data, int root) = 0;          // in place
  virtual void Abort(const Status& why) = 0;                       // any thread; wakes blocked ranks, which throw
};

class CommunicatorError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace triptych::comm
