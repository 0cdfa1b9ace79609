// Philox blocks, many side by side, into a buffer of noise: what every drawing kernel shares.
// Included by the sources of one instruction set, which define GENBENCH_SET.
#pragma once

#include "../math/half.h"
#include "../math/normal.h"
#include "../noise.h"
#include "philox_group.h"

namespace genbench::cpu::GENBENCH_SET {

constexpr int kGroup = 4 * kBlocks;      // elements they make
constexpr int kNoise = kChunk + kGroup;  // room for a chunk that starts inside a block

struct UniformLaw {
  template <typename C>
  GENBENCH_INLINE Pair<C> draw(uint32_t w0, uint32_t w1) {
    return {genbench::uniform<C>(w0), genbench::uniform<C>(w1)};
  }
};

struct NormalLaw {
  template <typename C>
  GENBENCH_INLINE Pair<C> draw(uint32_t w0, uint32_t w1) {
    return box_muller<C>(w0, w1);
  }
};

// The words themselves.
struct WordLaw {
  template <typename C>
  GENBENCH_INLINE Pair<C> draw(uint32_t w0, uint32_t w1) {
    return {w0, w1};
  }
};

// The kGroup elements of the blocks from `block` on.
template <typename Law, typename C>
void draw_group(const RoundKeys& keys, uint64_t stream, uint64_t block, C* __restrict out) {
  uint32_t word[4][kBlocks];
  philox_group(keys, stream, block, word);
  C value[4][kBlocks];
  for (int lane = 0; lane < 4; lane += 2) {
    for (int i = 0; i < kBlocks; ++i) {
      const Pair<C> pair = Law::template draw<C>(word[lane][i], word[lane + 1][i]);
      value[lane][i] = pair.first;
      value[lane + 1][i] = pair.second;
    }
  }
  for (int i = 0; i < kBlocks; ++i) {
    for (int lane = 0; lane < 4; ++lane) out[4 * i + lane] = value[lane][i];
  }
}

// The groups that elements [0, count) of the sequence from `block` on touch.
template <typename Law, typename C>
void draw_groups(uint64_t key, uint64_t stream, uint64_t block, int64_t count, C* out) {
  const RoundKeys keys(key);
  for (int64_t i = 0; i < count; i += kGroup) {
    draw_group<Law, C>(keys, stream, block + i / 4, out + i);
  }
}

// Noise of the elements [begin, begin + count), count <= kChunk: where it starts in `buffer`.
template <typename Law, typename C>
const C* draw_chunk(Seed seed, uint64_t stream, int64_t begin, int64_t count, C (&buffer)[kNoise]) {
  const uint64_t element = (seed.first & 3) + static_cast<uint64_t>(begin);
  const int64_t skip = element & 3;
  draw_groups<Law>(seed.key, stream, (seed.first >> 2) + (element >> 2), skip + count, buffer);
  return buffer + skip;
}

}  // namespace genbench::cpu::GENBENCH_SET
