// Counter-based noise through raw pointers; no torch. The formulas are in math/normal.h.
#pragma once

#include <cstdint>

#include "math/platform.h"
#include "stream.h"

namespace genbench {

// Element e of a tensor draws number `first` + e of the sequence that `key` names.
struct Seed {
  uint64_t key, first;
};

// Where a seed lies, in the memory of the device that draws: nobody waits for its contents.
struct SeedWords {
  const int64_t* at;  // [1] key, or [2] key and first element
  int count;          // 1 or 2

  GENBENCH_MEMBER Seed read() const {
    // Noise given for no elements is as null as noise to draw: there is no seed then.
    if (at == nullptr) return {0, 0};
    return {static_cast<uint64_t>(at[0]), count == 2 ? static_cast<uint64_t>(at[1]) : 0};
  }
};

template <typename T>
struct Noise {
  SeedWords seed;
  uint64_t stream;
  T* out;         // [count]
  int64_t count;  // elements
};

namespace cpu {

// Elements that one step of a range covers. A sum adds up a chunk first, then the chunks in
// order: so the number of threads that share a range does not change a bit.
constexpr int64_t kChunk = 1024;

static inline int64_t chunk_count(int64_t elements) { return (elements + kChunk - 1) / kChunk; }

// A step over rows that are summed is a chunk of a long row, or as many whole rows as a chunk
// holds.
static inline int64_t rows_per_step(int64_t cols) {
  return cols == 0 ? kChunk : (cols < kChunk ? kChunk / cols : 1);
}

static inline int64_t row_steps(int64_t rows, int64_t cols) {
  if (cols > kChunk) return rows * chunk_count(cols);
  return (rows + rows_per_step(cols) - 1) / rows_per_step(cols);
}

// T: float, double, bfloat16 or float16. [begin, end): chunks of `out`, of chunk_count(count).
template <typename T>
void uniform(const Noise<T>& noise, int64_t begin, int64_t end);

template <typename T>
void normal(const Noise<T>& noise, int64_t begin, int64_t end);

}  // namespace cpu

namespace cuda {

// Queue their kernels on `stream` of the current device and wait for nothing.
template <typename T>
void uniform(const Noise<T>& noise, Stream stream);

template <typename T>
void normal(const Noise<T>& noise, Stream stream);

}  // namespace cuda
}  // namespace genbench
