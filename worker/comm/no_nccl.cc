// In nccl.cc's place in builds without CUDA.
#include "worker/comm/nccl.h"

namespace triptych::comm {

StatusOr<std::unique_ptr<Communicator>> ConnectNccl(const NcclOptions&, Rendezvous*) {
  return FailedPrecondition("this build has no NCCL; build the preset 'cuda'");
}

}  // namespace triptych::comm
