// Queueing a kernel: how many blocks, on which stream, and an error that says which kernel failed.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "../cpu/dispatch.h"  // GENBENCH_FOR_EACH_TYPE
#include "../stream.h"

namespace genbench::cuda {

constexpr int kThreads = 256;  // of every block of every kernel
constexpr int kWarp = 32;

inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  throw std::runtime_error(std::string("genbench CUDA: ") + what + ": " +
                           cudaGetErrorString(status));
}

// Blocks for `units` of work of which a block takes `per_block` in one turn: no more than fill
// the device a few times over, since a kernel steps through the rest. No result depends on it.
inline unsigned blocks_for(int64_t units, int64_t per_block) {
  constexpr int64_t kBlocksPerProcessor = 16;
  int device = 0, processors = 0;
  check(cudaGetDevice(&device), "which device is current");
  check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device),
        "how many processors the device has");
  const int64_t wanted = (units + per_block - 1) / per_block;
  const int64_t most = kBlocksPerProcessor * processors;
  return static_cast<unsigned>(wanted < most ? wanted : most);
}

// The number of this thread among all of a launch.
__device__ inline int64_t first_thread() {
  return static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
}

// Queues `kernel` with blocks of kThreads; waits for nothing.
template <typename... Parameters, typename... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), unsigned blocks, Stream stream,
            const Arguments&... arguments) {
#if defined(__CUDACC__)
  kernel<<<blocks, kThreads, 0, stream>>>(arguments...);
#else
  emulate(kernel, blocks, kThreads, stream, arguments...);  // tests/csrc/cuda_emulator.h
#endif
  check(cudaGetLastError(), name);
}

}  // namespace genbench::cuda
