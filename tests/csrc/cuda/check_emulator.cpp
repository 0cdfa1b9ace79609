// The emulator itself: it must tell a kernel that lacks a barrier from one that has it.
#include "check.h"

namespace genbench {
namespace {

constexpr unsigned kCount = 256;

template <bool barrier>
void turn_around(const int* from, int* to) {
  __shared__ int kept[kCount];
  kept[threadIdx.x] = from[blockIdx.x * kCount + threadIdx.x];
  if (barrier) __syncthreads();
  to[blockIdx.x * kCount + threadIdx.x] = kept[kCount - 1 - threadIdx.x];
}

void exchange(int* to) {
  to[threadIdx.x] = __shfl_xor_sync(0xffffffffu, static_cast<int>(threadIdx.x), 5);
}

void count_blocks(uint32_t* tickets, int* order) {
  if (threadIdx.x == 0) order[blockIdx.x] = static_cast<int>(atomicAdd(tickets, 1));
}

template <bool barrier>
int turned_wrong() {
  int wrong = 0;
  std::vector<int> from(8 * kCount), to(8 * kCount);
  std::iota(from.begin(), from.end(), 1);
  emulate(turn_around<barrier>, 8, kCount, nullptr, from.data(), to.data());
  for (unsigned i = 0; i < to.size(); ++i) {
    const unsigned block = i / kCount, thread = i % kCount;
    wrong += to[i] != from[block * kCount + kCount - 1 - thread];
  }
  return wrong;
}

}  // namespace

void check_emulator() {
  expect(turned_wrong<true>() == 0, "a kernel with its barrier");
  expect(turned_wrong<false>() > 0, "a missing barrier is seen");
  int lanes[kCount];
  emulate(exchange, 1, kCount, nullptr, static_cast<int*>(lanes));
  for (int i = 0; i < static_cast<int>(kCount); ++i) expect(lanes[i] == (i ^ 5), "shuffle", i);
  uint32_t ticket = 0;
  std::vector<int> order(64), sorted(64);
  emulate(count_blocks, 64, 32, nullptr, &ticket, order.data());
  std::iota(sorted.begin(), sorted.end(), 0);
  expect(ticket == 64 && order != sorted, "every block runs, not in their order");
}

}  // namespace genbench
