// Sixteen Philox blocks side by side, math/philox.h for a vector machine. Included by the sources
// of one instruction set, which define GENBENCH_SET and GENBENCH_VECTOR_BYTES.
//
// A word has a 64-bit lane of its own: there a product of 32 by 32 bits is one instruction, which
// reads lower halves alone, so that upper halves may hold what a round leaves in them. Compilers
// make twice the instructions of the scalar formula.
#pragma once

#include "../math/philox.h"

namespace genbench::cpu::GENBENCH_SET {

constexpr int kBlocks = 16;  // a 64-byte vector of words

// The keys of all rounds, the same for a whole chunk.
struct RoundKeys {
  uint64_t key;
  uint64_t of_round[10][2];

  explicit RoundKeys(uint64_t given) : key(given) {
    uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
    for (int round = 0; round < 10; ++round) {
      of_round[round][0] = k0;
      of_round[round][1] = k1;
      k0 += kWeyl0;
      k1 += kWeyl1;
    }
  }
};

#if GENBENCH_VECTOR_BYTES == 64
using Lanes = __m512i;
GENBENCH_INLINE Lanes all(uint64_t x) { return _mm512_set1_epi64(static_cast<int64_t>(x)); }
GENBENCH_INLINE Lanes counted(uint64_t first) {
  return _mm512_add_epi64(all(first), _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0));
}
GENBENCH_INLINE Lanes product(Lanes a, Lanes b) { return _mm512_mul_epu32(a, b); }
GENBENCH_INLINE Lanes upper(Lanes a) { return _mm512_srli_epi64(a, 32); }
GENBENCH_INLINE Lanes exclusive_or(Lanes a, Lanes b, Lanes c) {
  return _mm512_ternarylogic_epi64(a, b, c, 0x96);
}
GENBENCH_INLINE void store_lower(Lanes a, uint32_t* to) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi64_epi32(a));
}
#elif GENBENCH_VECTOR_BYTES == 32
using Lanes = __m256i;
GENBENCH_INLINE Lanes all(uint64_t x) { return _mm256_set1_epi64x(static_cast<int64_t>(x)); }
GENBENCH_INLINE Lanes counted(uint64_t first) {
  return _mm256_add_epi64(all(first), _mm256_set_epi64x(3, 2, 1, 0));
}
GENBENCH_INLINE Lanes product(Lanes a, Lanes b) { return _mm256_mul_epu32(a, b); }
GENBENCH_INLINE Lanes upper(Lanes a) { return _mm256_srli_epi64(a, 32); }
GENBENCH_INLINE Lanes exclusive_or(Lanes a, Lanes b, Lanes c) {
  return _mm256_xor_si256(_mm256_xor_si256(a, b), c);
}
GENBENCH_INLINE void store_lower(Lanes a, uint32_t* to) {
  const Lanes packed = _mm256_permutevar8x32_epi32(a, _mm256_set_epi32(7, 5, 3, 1, 6, 4, 2, 0));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_castsi256_si128(packed));
}
#endif

// word[lane][i]: of block + i.
#if GENBENCH_VECTOR_BYTES > 0
GENBENCH_INLINE void philox_group(const RoundKeys& keys, uint64_t stream, uint64_t block,
                                  uint32_t (&word)[4][kBlocks]) {
  constexpr int kPerVector = sizeof(Lanes) / 8, kVectors = kBlocks / kPerVector;
  const Lanes m0 = all(kMultiplier0), m1 = all(kMultiplier1);
  Lanes c[4][kVectors];
  for (int v = 0; v < kVectors; ++v) {
    c[0][v] = counted(block + v * kPerVector);
    c[1][v] = upper(c[0][v]);
    c[2][v] = all(stream);
    c[3][v] = all(stream >> 32);
  }
  GENBENCH_UNROLL(10)
  for (int round = 0; round < 10; ++round) {
    for (int v = 0; v < kVectors; ++v) {
      const Lanes p0 = product(c[0][v], m0), p1 = product(c[2][v], m1);
      c[0][v] = exclusive_or(upper(p1), c[1][v], all(keys.of_round[round][0]));
      c[1][v] = p1;
      c[2][v] = exclusive_or(upper(p0), c[3][v], all(keys.of_round[round][1]));
      c[3][v] = p0;
    }
  }
  for (int lane = 0; lane < 4; ++lane) {
    for (int v = 0; v < kVectors; ++v) store_lower(c[lane][v], word[lane] + v * kPerVector);
  }
}
#else
GENBENCH_INLINE void philox_group(const RoundKeys& keys, uint64_t stream, uint64_t block,
                                  uint32_t (&word)[4][kBlocks]) {
  for (int i = 0; i < kBlocks; ++i) {
    const PhiloxBlock random = philox(block + i, stream, keys.key);
    for (int lane = 0; lane < 4; ++lane) word[lane][i] = random.word[lane];
  }
}
#endif

}  // namespace genbench::cpu::GENBENCH_SET
