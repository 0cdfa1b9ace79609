// The noise kernels of csrc/cuda against those of csrc/cpu.
#include "check.h"
#include "noise.h"

namespace genbench {
namespace {

template <typename T>
void check_count(int64_t count, int shift, const int64_t* words, int word_count) {
  Memory<T> cpu(count), cuda(count, shift);
  const uint64_t stream = 5;
  const Noise<T> on_cpu{{words, word_count}, stream, cpu, count};
  const Noise<T> on_cuda{{words, word_count}, stream, cuda, count};
  for (const bool normal : {false, true}) {
    if (normal) {
      cpu::normal(on_cpu, 0, cpu::chunk_count(count));
    } else {
      cpu::uniform(on_cpu, 0, cpu::chunk_count(count));
    }
    const int64_t launches = launches_of(
        [&] { normal ? cuda::normal(on_cuda, nullptr) : cuda::uniform(on_cuda, nullptr); });
    expect(launches == (count > 0), "launches of noise", count, launches);
    expect_close(cuda, cpu, normal ? "normal" : "uniform");
  }
}

}  // namespace

void check_noise() {
  // Around a pack, a block of threads and the emulated device's whole grid of 16 blocks.
  const int64_t counts[] = {0, 1, 3, 4, 7, 8, 9, 1023, 1025, 2051, 32769, 70001};
  const int64_t seeds[][2] = {{7, 0}, {-3, 1}, {9, 2}, {11, 3}, {5, (int64_t{1} << 40) + 6}};
  for_each_type([&](auto type) {
    using T = decltype(type);
    for (const int64_t count : counts) check_count<T>(count, 0, seeds[0], 1);
    for (const auto& seed : seeds) {
      for (const int shift : {0, 1, 3}) check_count<T>(2051, shift, seed, 2);
    }
  });
}

}  // namespace genbench
