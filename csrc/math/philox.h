// Philox-4x32-10, a counter-based generator. Salmon et al. 2011 (Random123).
#pragma once

#include "platform.h"

namespace genbench {

// The 128 random bits of one counter, or the counter itself.
struct PhiloxBlock {
  uint32_t word[4];
};

// Ten rounds. block: element / 4; stream: independent noise under the same key.
GENBENCH_INLINE PhiloxBlock philox(uint64_t block, uint64_t stream, uint64_t key) {
  uint32_t c0 = static_cast<uint32_t>(block), c1 = static_cast<uint32_t>(block >> 32);
  uint32_t c2 = static_cast<uint32_t>(stream), c3 = static_cast<uint32_t>(stream >> 32);
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  GENBENCH_UNROLL(10)
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = static_cast<uint64_t>(c0) * 0xD2511F53u;
    const uint64_t p1 = static_cast<uint64_t>(c2) * 0xCD9E8D57u;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

}  // namespace genbench
