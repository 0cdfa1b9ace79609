// The noise kernels, included once by the source of each instruction set; no std:: templates,
// of which the linker may keep a copy that the machine cannot run.
#pragma once

#include "dispatch.h"
#include "draw.h"

namespace genbench::cpu::GENBENCH_SET {

template <typename Law, typename T>
void fill(const Noise<T>& noise, int64_t begin, int64_t end) {
  using C = compute_t<T>;
  alignas(64) C buffer[kNoise];
  const Seed seed = noise.seed.read();
  for (int64_t chunk = begin; chunk < end; ++chunk) {
    const int64_t start = chunk * kChunk;
    const int64_t count = noise.count - start < kChunk ? noise.count - start : kChunk;
    T* __restrict out = noise.out + start;
    if constexpr (sizeof(T) == sizeof(C)) {  // nothing to round: whole groups go where they belong
      if ((seed.first & 3) == 0 && count == kChunk) {
        const uint64_t block = (seed.first >> 2) + static_cast<uint64_t>(start >> 2);
        draw_groups<Law>(seed.key, noise.stream, block, count, out);
        continue;
      }
    }
    const C* __restrict drawn = draw_chunk<Law>(seed, noise.stream, start, count, buffer);
    for (int64_t i = 0; i < count; ++i) store(out + i, drawn[i]);
  }
}

template <typename T>
void uniform(const Noise<T>& noise, int64_t begin, int64_t end) {
  fill<UniformLaw>(noise, begin, end);
}

template <typename T>
void normal(const Noise<T>& noise, int64_t begin, int64_t end) {
  fill<NormalLaw>(noise, begin, end);
}

#define GENBENCH_INSTANTIATE(T)                                \
  template void uniform<T>(const Noise<T>&, int64_t, int64_t); \
  template void normal<T>(const Noise<T>&, int64_t, int64_t);
GENBENCH_FOR_EACH_TYPE(GENBENCH_INSTANTIATE)
#undef GENBENCH_INSTANTIATE

}  // namespace genbench::cpu::GENBENCH_SET
