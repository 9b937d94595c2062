#include "worker/comm/nccl.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAStream.h>
#include <nccl.h>

#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "common/check.h"
#include "worker/comm/rank_order_sum.h"

namespace triptych::comm {
namespace {

using std::chrono::steady_clock;

constexpr size_t kMaxInFlight = 8;  // so few that launching never blocks on the device's queue
constexpr std::string_view kIdKey = "nccl_id";

bool Went(ncclResult_t result) { return result == ncclSuccess || result == ncclInProgress; }

// NCCL's handle. Its calls are not thread-safe but none of them blocks, so they happen one at a time under a lock; once aborted the handle is gone.
class Handle {
 public:
  Handle() = default;
  ~Handle() { Abort("the rank leaves its group"); }  // without asking the others, whom it could wait for

  // Calls `call(ncclComm_t&)`, then waits until NCCL has done with it on the host. Throws.
  template <typename Call>
  void Run(const char* what, Call call, steady_clock::time_point deadline = steady_clock::time_point::max()) {
    {
      std::lock_guard lock(mutex_);
      ThrowIfAborted();
      if (const ncclResult_t result = call(comm_); !Went(result)) Fail(what, result);
    }
    while (!Settled(what)) {
      if (steady_clock::now() >= deadline) throw CommunicatorError("the ranks did not connect in time");
      std::this_thread::yield();
    }
  }

  // Whether NCCL's work on the host is done; throws when it failed, or after Abort.
  bool Settled(const char* what) {
    std::lock_guard lock(mutex_);
    ThrowIfAborted();
    ncclResult_t state = ncclSuccess;
    if (const ncclResult_t result = ncclCommGetAsyncError(comm_, &state); !Went(result)) Fail(what, result);
    if (!Went(state)) Fail(what, state);
    return state == ncclSuccess;
  }

  void Abort(const std::string& why) {
    std::lock_guard lock(mutex_);
    GiveUp(why);
  }

 private:
  void GiveUp(const std::string& why) {  // under mutex_
    if (!aborted_.empty()) return;
    aborted_ = why;
    if (comm_ != nullptr) (void)ncclCommAbort(comm_);  // frees it, whatever it returns
    comm_ = nullptr;
  }
  [[noreturn]] void Fail(const char* what, ncclResult_t result) {  // under mutex_
    const std::string why = std::string(what) + " failed in NCCL: " + ncclGetErrorString(result);
    GiveUp(why);
    throw CommunicatorError(why);
  }
  void ThrowIfAborted() const {
    if (!aborted_.empty()) throw CommunicatorError(aborted_);
  }

  std::mutex mutex_;
  ncclComm_t comm_ = nullptr;  // guarded by mutex_, as below
  std::string aborted_;        // why
};

class NcclCommunicator final : public Communicator {
 public:
  explicit NcclCommunicator(const NcclOptions& options) : rank_(options.rank), size_(options.size) {}

  void Connect(const ncclUniqueId& id, steady_clock::time_point deadline) {
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    handle_.Run("connecting", [&](ncclComm_t& comm) { return ncclCommInitRankConfig(&comm, size_, id, rank_, &config); }, deadline);
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void AllReduceSum(at::Tensor& data) override {
    data.copy_(SumInRankOrder(Gather(data).unbind(0)));
    AwaitAllBut(kMaxInFlight);
  }
  at::Tensor AllGather(const at::Tensor& part) override {
    const at::Tensor parts = Gather(part.contiguous());
    at::Tensor all = at::cat(parts.unbind(0), -1);
    AwaitAllBut(0);
    return all;
  }
  void Broadcast(at::Tensor& data, int root) override {
    TRIPTYCH_CHECK(data.is_cuda() && data.is_contiguous());
    Launch("broadcast", data, [&](ncclComm_t comm, cudaStream_t stream) {
      return ncclBroadcast(data.const_data_ptr(), data.mutable_data_ptr(), data.nbytes(), ncclUint8, root, comm, stream);
    });
    AwaitAllBut(0);
  }
  void Abort(const Status& why) override { handle_.Abort(why.ok() ? "the group was stopped" : std::string(Message(why))); }

 private:
  at::Tensor Gather(const at::Tensor& part) {  // [...] -> [size, ...]
    TRIPTYCH_CHECK(part.is_cuda() && part.is_contiguous());
    std::vector<int64_t> shape = {size_};
    shape.insert(shape.end(), part.sizes().begin(), part.sizes().end());
    at::Tensor parts = at::empty(shape, part.options());
    Launch("all-gather", part, [&](ncclComm_t comm, cudaStream_t stream) {
      return ncclAllGather(part.const_data_ptr(), parts.mutable_data_ptr(), part.nbytes(), ncclUint8, comm, stream);
    });
    return parts;
  }

  template <typename Start>
  void Launch(const char* what, const at::Tensor& data, Start start) {
    const c10::cuda::CUDAStream stream = c10::cuda::getCurrentCUDAStream(data.device().index());
    if (data.numel() > 0) handle_.Run(what, [&](ncclComm_t comm) { return start(comm, stream.stream()); });
    in_flight_.emplace_back().record(stream);  // NCCL has launched its kernel by now
  }

  // Waits until all but the last `num_left` collectives have finished on the device.
  void AwaitAllBut(size_t num_left) {
    for (; in_flight_.size() > num_left; in_flight_.pop_front()) {
      while (!in_flight_.front().query()) {
        (void)handle_.Settled("a collective");
        std::this_thread::yield();
      }
    }
    (void)handle_.Settled("a collective");  // aborted kernels finish too
  }

  const int rank_, size_;
  Handle handle_;
  std::deque<c10::cuda::CUDAEvent> in_flight_;  // rank thread only; each behind one collective
};

StatusOr<ncclUniqueId> ShareId(const NcclOptions& options, Rendezvous* rendezvous, steady_clock::time_point deadline) {
  ncclUniqueId id;
  if (options.rank == 0) {
    if (const ncclResult_t result = ncclGetUniqueId(&id); result != ncclSuccess) return Unavailable("NCCL: {}", ncclGetErrorString(result));
    TRIPTYCH_RETURN_IF_ERROR(rendezvous->Put(kIdKey, std::string(id.internal, sizeof(id.internal))));
    return id;
  }
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string bytes, rendezvous->Get(kIdKey, deadline));
  if (bytes.size() != sizeof(id.internal)) return Internal("NCCL's id has {} bytes", bytes.size());
  std::memcpy(id.internal, bytes.data(), bytes.size());
  return id;
}

}  // namespace

StatusOr<std::unique_ptr<Communicator>> ConnectNccl(const NcclOptions& options, Rendezvous* rendezvous) {
  TRIPTYCH_CHECK(options.rank >= 0 && options.rank < options.size);
  const auto deadline = steady_clock::now() + options.timeout;
  TRIPTYCH_ASSIGN_OR_RETURN(const ncclUniqueId id, ShareId(options, rendezvous, deadline));
  auto communicator = std::make_unique<NcclCommunicator>(options);
  try {
    communicator->Connect(id, deadline);
  } catch (const CommunicatorError& error) {
    return Unavailable("rank {} of {} did not meet the others: {}", options.rank, options.size, error.what());
  }
  return communicator;
}

}  // namespace triptych::comm
