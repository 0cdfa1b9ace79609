// Noise of a pack: Philox blocks into registers, the same numbers as csrc/cpu/draw.h.
#pragma once

#include "../math/normal.h"
#include "../noise.h"

namespace genbench::cuda {

struct UniformLaw {
  template <typename C>
  static __device__ Pair<C> draw(uint32_t w0, uint32_t w1) {
    return {genbench::uniform<C>(w0), genbench::uniform<C>(w1)};
  }
};

struct NormalLaw {
  template <typename C>
  static __device__ Pair<C> draw(uint32_t w0, uint32_t w1) {
    return box_muller<C>(w0, w1);
  }
};

// The words themselves.
struct WordLaw {
  template <typename C>
  static __device__ Pair<C> draw(uint32_t w0, uint32_t w1) {
    return {w0, w1};
  }
};

// The four numbers of a Philox block.
template <typename Law, typename C>
__device__ void draw_block(uint64_t key, uint64_t stream, uint64_t block, C* out) {
  const PhiloxBlock random = philox(block, stream, key);
  const Pair<C> low = Law::template draw<C>(random.word[0], random.word[1]);
  const Pair<C> high = Law::template draw<C>(random.word[2], random.word[3]);
  out[0] = low.first, out[1] = low.second, out[2] = high.first, out[3] = high.second;
}

// Noise of the elements [begin, begin + kCount); begin and kCount are multiples of 4.
template <typename Law, typename C, int kCount>
__device__ void draw_pack(Seed seed, uint64_t stream, int64_t begin, C (&out)[kCount]) {
  const uint64_t block = (seed.first >> 2) + (static_cast<uint64_t>(begin) >> 2);
#pragma unroll
  for (int i = 0; i < kCount; i += 4) {
    draw_block<Law>(seed.key, stream, block + i / 4, out + i);
  }
  const int skip = seed.first & 3;
  if (skip == 0) return;  // the same for all threads
  C next[4];
  draw_block<Law>(seed.key, stream, block + kCount / 4, next);
  // One place at a time: an index that the compiler does not know would put `out` into memory.
  for (int step = 0; step < skip; ++step) {
#pragma unroll
    for (int i = 0; i + 1 < kCount; ++i) out[i] = out[i + 1];
    out[kCount - 1] = next[0];
    next[0] = next[1], next[1] = next[2], next[2] = next[3];
  }
}

// The uniform number of one element.
template <typename C>
__device__ C uniform_at(Seed seed, uint64_t stream, int64_t element) {
  const uint64_t at = (seed.first & 3) + static_cast<uint64_t>(element);
  const PhiloxBlock random = philox((seed.first >> 2) + (at >> 2), stream, seed.key);
  const uint32_t low = (at & 1) != 0 ? random.word[1] : random.word[0];
  const uint32_t high = (at & 1) != 0 ? random.word[3] : random.word[2];
  return genbench::uniform<C>((at & 2) != 0 ? high : low);
}

}  // namespace genbench::cuda
