// Chunks of kChunk elements between memory and buffers of the compute type: reading, writing and
// adding up, the same way in every kernel. Included by the sources of one instruction set, which
// define GENBENCH_SET.
#pragma once

#include "../math/half.h"
#include "../noise.h"

namespace genbench::cpu::GENBENCH_SET {

constexpr int kWide = 64;  // elements of one inner loop: a compile-time count leaves no remainder

// A chunk is computed from buffers filled up with zeros to a multiple of kWide: an element's
// bits then do not depend on where it lies in its chunk.
static inline int64_t padded(int64_t count) { return (count + kWide - 1) / kWide * kWide; }

template <typename T, typename C = compute_t<T>>
void read_chunk(const T* __restrict from, int64_t count, C* __restrict to) {
  for (int64_t i = 0; i < count; ++i) to[i] = load(from + i);
  for (int64_t i = count; i < padded(count); ++i) to[i] = 0;
}

template <typename T, typename C = compute_t<T>>
void write_chunk(const C* __restrict from, int64_t count, T* __restrict to) {
  for (int64_t i = 0; i < count; ++i) store(to + i, from[i]);
}

// Sixteen running sums folded in a fixed order, then the remainder.
template <typename C, typename Total = C>
Total sum(const C* __restrict term, int64_t count) {
  constexpr int kLanes = 16;
  Total total = 0;
  int64_t i = 0;
  if (count >= kLanes) {
    Total lane[kLanes] = {};
    for (; i + kLanes <= count; i += kLanes) {
      for (int j = 0; j < kLanes; ++j) lane[j] += term[i + j];
    }
    for (int half = kLanes / 2; half > 0; half /= 2) {
      for (int j = 0; j < half; ++j) lane[j] += lane[j + half];
    }
    total = lane[0];
  }
  for (; i < count; ++i) total += term[i];
  return total;
}

constexpr int kSpread = kChunk + kWide;  // room for the surplus that spread_rows writes

// out[i] = row_value[row of element i]; element 0 has number `column` in row 0. Rows are written
// in whole vectors, and the next row overwrites the surplus: no branch depends on a short row.
template <typename C>
void spread_rows(const C* __restrict row_value, int64_t cols, int64_t column, int64_t count,
                 C (&__restrict out)[kSpread]) {
  constexpr int kLanes = 16;
  int64_t start = 0, stop = cols - column;
  for (int64_t row = 0; start < count; ++row, start = stop, stop += cols) {
    const C value = row_value[row];
    const int64_t last = stop < count ? stop : count;
    for (int64_t i = start; i < last; i += kLanes) {
      for (int j = 0; j < kLanes; ++j) out[i + j] = value;
    }
  }
}

}  // namespace genbench::cpu::GENBENCH_SET
