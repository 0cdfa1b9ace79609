// Runs CUDA kernels on the CPU: what csrc/cuda/*.cu asks of CUDA, for g++ -include. Every thread of
// a block is a fiber, which gives way at barriers alone; blocks run one after the other. Both
// orders are shuffled, so that a result which depends on one of them differs from run to run.
#pragma once

#include <ucontext.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#define __global__
#define __device__
#define __host__
#define __shared__ static  // one block runs at a time
#define __launch_bounds__(...)

struct Index {
  unsigned x;
};

namespace emulator {

constexpr size_t kStack = 48 << 10;
constexpr unsigned kWarp = 32;

struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack;
  bool done;
};

struct Barrier {
  unsigned arrived, generation;
};

struct State {
  std::mt19937 random{1};
  std::vector<Fiber> fibers;
  ucontext_t scheduler;
  unsigned running = 0;   // fiber
  uint64_t progress = 0;  // counts arrivals at barriers and ends of fibers
  Barrier block = {}, warp[64] = {};
  uint64_t lane_value[64 * kWarp] = {};
  std::function<void()> kernel;
  int launches = 0;
  unsigned most_blocks = 0;
};

inline State state;

}  // namespace emulator

inline Index threadIdx, blockIdx, blockDim, gridDim;

namespace emulator {

[[noreturn]] inline void fail(const char* why) {
  std::fprintf(stderr, "emulator: %s\n", why);
  std::exit(1);
}

inline void switch_to(ucontext_t& from, ucontext_t& to, const void* stack, bool ends) {
#if defined(__SANITIZE_ADDRESS__)
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(ends ? nullptr : &fake, stack, kStack);
  swapcontext(&from, &to);
  __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#else
  (void)stack, (void)ends;
  swapcontext(&from, &to);
#endif
}

inline const void* scheduler_stack = nullptr;

inline void give_way(bool ends = false) {
  switch_to(state.fibers[state.running].context, state.scheduler, scheduler_stack, ends);
}

inline void run_fiber() {
#if defined(__SANITIZE_ADDRESS__)
  size_t size = 0;
  __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &size);
#endif
  state.kernel();
  state.fibers[state.running].done = true;
  ++state.progress;
  give_way(true);
}

inline void wait(Barrier& barrier, unsigned threads) {
  const unsigned generation = barrier.generation;
  ++state.progress;
  if (++barrier.arrived == threads) {
    barrier.arrived = 0;
    ++barrier.generation;
    return;
  }
  while (barrier.generation == generation) give_way();
}

inline void start_fibers(unsigned threads) {
  state.fibers.resize(std::max<size_t>(state.fibers.size(), threads));
  for (unsigned i = 0; i < threads; ++i) {
    Fiber& fiber = state.fibers[i];
    if (!fiber.stack) fiber.stack.reset(new char[kStack]);
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStack;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, run_fiber, 0);
    fiber.done = false;
  }
}

inline void run_block(unsigned threads) {
  start_fibers(threads);
  std::vector<unsigned> order(threads);
  std::iota(order.begin(), order.end(), 0u);
  std::shuffle(order.begin(), order.end(), state.random);
  for (unsigned left = threads; left > 0;) {
    const uint64_t before = state.progress;
    left = 0;
    for (unsigned i : order) {
      if (state.fibers[i].done) continue;
      threadIdx.x = state.running = i;
      switch_to(state.scheduler, state.fibers[i].context, state.fibers[i].stack.get(), false);
      left += !state.fibers[i].done;
    }
    if (left > 0 && state.progress == before) fail("not every thread comes to a barrier");
  }
}

}  // namespace emulator

template <typename... Parameters, typename... Arguments>
void emulate(void (*kernel)(Parameters...), unsigned blocks, unsigned threads, void* stream,
             const Arguments&... arguments) {
  using emulator::state;
  if (stream != nullptr) emulator::fail("the kernel is not on the stream that was given");
  if (blocks == 0) emulator::fail("a launch without blocks is an error of CUDA");
  ++state.launches;
  state.most_blocks = std::max(state.most_blocks, blocks);
  gridDim.x = blocks, blockDim.x = threads;
  state.kernel = [&] { kernel(arguments...); };
  std::vector<unsigned> order(blocks);
  std::iota(order.begin(), order.end(), 0u);
  std::shuffle(order.begin(), order.end(), state.random);
  for (unsigned block : order) {
    blockIdx.x = block;
    emulator::run_block(threads);
  }
}

inline void __syncthreads() { emulator::wait(emulator::state.block, blockDim.x); }
inline void __threadfence() {}

template <typename T>
T __shfl_xor_sync(unsigned, T value, int offset) {
  auto& state = emulator::state;
  const unsigned thread = threadIdx.x;
  emulator::Barrier& warp = state.warp[thread / emulator::kWarp];
  std::memcpy(&state.lane_value[thread], &value, sizeof(T));
  emulator::wait(warp, emulator::kWarp);
  T other;
  std::memcpy(&other, &state.lane_value[thread ^ static_cast<unsigned>(offset)], sizeof(T));
  emulator::wait(warp, emulator::kWarp);  // before the next exchange writes there
  return other;
}

inline bool __any_sync(unsigned, bool mine) {
  int any = mine;
  for (int offset = emulator::kWarp / 2; offset > 0; offset /= 2) {
    any |= __shfl_xor_sync(0xffffffffu, any, offset);
  }
  return any != 0;
}

template <typename T>
T __ldcg(const T* at) {
  return *at;
}

inline unsigned atomicAdd(uint32_t* at, unsigned value) {
  const unsigned before = *at;
  *at += value;
  return before;
}

// The runtime, as far as launchers call it: a device of one processor.
using cudaError_t = int;
constexpr cudaError_t cudaSuccess = 0;
enum cudaDeviceAttr { cudaDevAttrMultiProcessorCount };
inline const char* cudaGetErrorString(cudaError_t) { return "an error"; }
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaGetDevice(int* device) { return *device = 0; }
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  *value = 1;
  return cudaSuccess;
}
inline cudaError_t cudaMemsetAsync(void* at, int value, size_t bytes, void*) {
  std::memset(at, value, bytes);
  return cudaSuccess;
}
