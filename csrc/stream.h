// The stream that a CUDA launcher queues its kernels on, without a CUDA header.
#pragma once

struct CUstream_st;

namespace genbench::cuda {

using Stream = CUstream_st*;  // cudaStream_t

}  // namespace genbench::cuda
