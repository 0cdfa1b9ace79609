// Which row an element lies in, and how rows that are summed are shared out among threads.
#pragma once

#include "launch.cuh"
#include "pack.cuh"

namespace genbench::cuda {

// Rows up to here are summed by a warp or less, longer ones by blocks, each a segment.
constexpr int64_t kSegment = 4096;
constexpr int64_t kShortRow = 2048;

inline int64_t segment_count(int64_t cols) { return (cols + kSegment - 1) / kSegment; }

// Threads that share a short row: a power of two up to a warp, a pack for each where that reaches.
template <typename T>
int row_width(int64_t cols) {
  int width = 1;
  while (width < kWarp && width * kPack<T> < cols) width *= 2;
  return width;
}

// Partial sums of rows of more than one segment, and behind them a ticket for every row.
struct Partials {
  double* sum;       // [rows, segments]
  uint32_t* ticket;  // [rows]

  static int64_t doubles(int64_t rows, int64_t segments) {
    return segments > 1 ? rows * segments + (rows + 1) / 2 : 0;
  }
};

// Tickets start at zero: a memset on the same stream, since the memory is this call's own. Words
// that outlive calls would be shared by two streams, or by a graph and what runs beside it.
inline Partials prepare_partials(double* memory, int64_t rows, int64_t segments, Stream stream) {
  if (segments <= 1) return {};
  auto* const ticket = reinterpret_cast<uint32_t*>(memory + rows * segments);
  check(cudaMemsetAsync(ticket, 0, rows * sizeof(uint32_t), stream), "tickets");
  return {memory, ticket};
}

// a / b for a >= 0, b > 0: 64-bit division takes some 100 instructions, 32-bit a quarter of that.
__device__ inline int64_t quotient(int64_t a, int64_t b) {
  if (((a | b) >> 32) != 0) return a / b;
  return static_cast<uint32_t>(a) / static_cast<uint32_t>(b);
}

// values[i] of the row of each element of a pack at `begin`, for elements below `count`.
template <typename C, int kCount, typename Read>
__device__ void spread_rows(int64_t begin, int64_t cols, int64_t count, Read read,
                            C (&out)[kCount]) {
  int64_t row = quotient(begin, cols);
  int64_t next = (row + 1) * cols;  // where the next row begins
  C value = read(row);
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    if (begin + i == next && next < count) {
      value = read(++row);
      next += cols;
    }
    out[i] = value;
  }
}

}  // namespace genbench::cuda
