// The stream that torch computes on, for the CUDA kernels. No header of CUDA or of its torch: one
// library loads under a torch with CUDA and under one without.
#pragma once

#include "../stream.h"

namespace genbench::bindings {

#if defined(GENBENCH_CUDA)
constexpr bool kCuda = true;
#else
constexpr bool kCuda = false;
#endif

// torch's current stream of a device. Throws std::runtime_error under a torch without CUDA.
cuda::Stream current_stream(int device);

}  // namespace genbench::bindings
