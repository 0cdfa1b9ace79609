// Counter-based noise through raw pointers; no torch. The formulas are in math/normal.h.
#pragma once

#include <cstdint>

namespace genbench {

// Element e of a tensor draws number `first` + e of the sequence that `key` names.
struct Seed {
  uint64_t key, first;
};

template <typename T>
struct Noise {
  Seed seed;
  uint64_t stream;
  T* out;         // [count]
  int64_t count;  // elements
};

namespace cpu {

// Elements that one step of a range covers. A sum adds up a chunk first, then the chunks in
// order: so the number of threads that share a range does not change a bit.
constexpr int64_t kChunk = 1024;

// T: float, double, bfloat16 or float16. [begin, end): chunks of `out`, of chunk_count(count).
static inline int64_t chunk_count(int64_t elements) { return (elements + kChunk - 1) / kChunk; }

template <typename T>
void uniform(const Noise<T>& noise, int64_t begin, int64_t end);

template <typename T>
void normal(const Noise<T>& noise, int64_t begin, int64_t end);

}  // namespace cpu
}  // namespace genbench
