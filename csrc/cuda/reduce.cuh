// Sums across threads, in an order that depends on sizes alone: the same bits in every run, on
// every device.
#pragma once

#include "launch.cuh"

namespace genbench::cuda {

// The sum over `width` neighbouring threads, a power of two up to a warp, to each of them. Every
// thread of a warp must come here.
template <typename C>
__device__ C group_sum(C value, int width) {
  for (int offset = width / 2; offset > 0; offset /= 2) {
    value += __shfl_xor_sync(0xffffffffu, value, offset);
  }
  return value;
}

// The sum over the block, to each of its threads.
template <typename C>
__device__ C block_sum(C value) {
  __shared__ C of_warp[kThreads / kWarp];
  value = group_sum(value, kWarp);
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = value;
  __syncthreads();
  C total = 0;
  for (int warp = 0; warp < kThreads / kWarp; ++warp) total += of_warp[warp];
  __syncthreads();  // before the next sum writes there
  return total;
}

// Thread 0 left partial sums in memory. Whether all `blocks` that share the ticket have: true in
// one block alone, which then sees all of their sums. A block alone needs no ticket (null).
__device__ inline bool is_last(uint32_t* ticket, int64_t blocks) {
  __shared__ bool last;
  if (threadIdx.x == 0) {
    __threadfence();  // the sums before the ticket
    last = ticket == nullptr || atomicAdd(ticket, 1u) == static_cast<uint32_t>(blocks - 1);
    __threadfence();  // the ticket before the others' sums
  }
  __syncthreads();
  const bool result = last;
  __syncthreads();  // before the next ticket writes there
  return result;
}

// The sum of partial[0, count), to each thread of the block.
__device__ inline double sum_partials(const double* partial, int64_t count) {
  double sum = 0;
  // Past the first-level cache, which may hold what lay there before other blocks wrote.
  for (int64_t i = threadIdx.x; i < count; i += kThreads) sum += __ldcg(partial + i);
  return block_sum(sum);
}

}  // namespace genbench::cuda
