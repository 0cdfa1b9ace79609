// Philox-4x32-10, a counter-based generator. Salmon et al. 2011 (Random123).
#pragma once

#include "platform.h"

namespace genbench {

// The 128 random bits of one counter, or the counter itself.
struct PhiloxBlock {
  uint32_t word[4];
};

// Multipliers of words 0 and 2, and what a round adds to the halves of the key.
constexpr uint32_t kMultiplier0 = 0xD2511F53u, kMultiplier1 = 0xCD9E8D57u;
constexpr uint32_t kWeyl0 = 0x9E3779B9u, kWeyl1 = 0xBB67AE85u;

// Ten rounds. block: element / 4; stream: independent noise under the same key.
GENBENCH_INLINE PhiloxBlock philox(uint64_t block, uint64_t stream, uint64_t key) {
  uint32_t c0 = static_cast<uint32_t>(block), c1 = static_cast<uint32_t>(block >> 32);
  uint32_t c2 = static_cast<uint32_t>(stream), c3 = static_cast<uint32_t>(stream >> 32);
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  GENBENCH_UNROLL(10)
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = static_cast<uint64_t>(c0) * kMultiplier0;
    const uint64_t p1 = static_cast<uint64_t>(c2) * kMultiplier1;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += kWeyl0;
    k1 += kWeyl1;
  }
  return {{c0, c1, c2, c3}};
}

}  // namespace genbench
