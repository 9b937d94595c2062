// In the CUDA kernels' place in builds without CUDA: no tensor is on such a device, so nothing calls these but to count devices.
#include <stdexcept>

#include "worker/kernels/cuda_devices.h"
#include "worker/kernels/paged_attention_device.h"
#include "worker/kernels/rotary_device.h"

namespace triptych::kernels {
namespace {

[[noreturn]] void Refuse() { throw std::logic_error("this build has no CUDA kernels"); }

}  // namespace

void WriteKvCuda(const at::Tensor&, const at::Tensor&, const PagedRows&, PagedKv&) { Refuse(); }
at::Tensor PagedAttentionCuda(const at::Tensor&, const PagedKv&, const PagedRows&) { Refuse(); }
void ApplyRotaryCuda(at::Tensor&, const at::Tensor&, const at::Tensor&) { Refuse(); }

int NumCudaDevices() { return 0; }
std::string CudaArchitecture(int) { Refuse(); }

}  // namespace triptych::kernels
