// Which row an element lies in, and how rows that are summed are shared out among threads.
#pragma once

#include "launch.cuh"
#include "pack.cuh"

namespace genbench::cuda {

// Rows up to here are summed by a warp or less, longer ones by blocks, each a segment.
constexpr int64_t kSegment = 4096;
constexpr int64_t kShortRow = 2048;

__host__ __device__ inline int64_t segment_count(int64_t cols) {
  return (cols + kSegment - 1) / kSegment;
}

// Threads that share a short row: a power of two up to a warp, a pack for each where that reaches.
template <typename T>
int row_width(int64_t cols) {
  int width = 1;
  while (width < kWarp && width * kPack<T> < cols) width *= 2;
  return width;
}

// Partial sums of rows, and behind them a ticket for every row.
struct Partials {
  double* sum;       // [rows, segments]
  uint32_t* ticket;  // [rows], or null: no sum is shared by blocks

  static int64_t doubles(int64_t rows, int64_t segments) {
    return rows * segments + (rows + 1) / 2;
  }
};

// Tickets start at zero: a memset on the same stream, since the memory is this call's own. Words
// that outlive calls would be shared by two streams, or by a graph and what runs beside it.
inline void zero_tickets(uint32_t* ticket, int64_t count, Stream stream) {
  check(cudaMemsetAsync(ticket, 0, count * sizeof(uint32_t), stream), "tickets");
}

inline Partials prepare_partials(double* memory, int64_t rows, int64_t segments, bool shared,
                                 Stream stream) {
  if (!shared) return {memory, nullptr};
  auto* const ticket = reinterpret_cast<uint32_t*>(memory + rows * segments);
  zero_tickets(ticket, rows, stream);
  return {memory, ticket};
}

// a / b for a >= 0, b > 0: 64-bit division takes some 100 instructions, 32-bit a quarter of that.
__device__ inline int64_t quotient(int64_t a, int64_t b) {
  if (a < b) return 0;
  if (((a | b) >> 32) != 0) return a / b;
  return static_cast<uint32_t>(a) / static_cast<uint32_t>(b);
}

// What the elements of a tensor [rows, cols] have in common with their row: of_row(row), evaluated
// when a thread comes to another row.
template <typename Weight, typename OfRow>
class RowWeights {
 public:
  __device__ RowWeights(OfRow of_row, int64_t cols) : of_row_(of_row), cols_(cols) {}

  // body(i, weight) for each element i of the pack, row by row. A loop over rows, not over
  // elements, so that the compiler lays out of_row once.
  template <int kCount, typename Body>
  __device__ void over(const Span& span, Body body) {
    const int64_t end = span.begin + span.last;
    for (int64_t row = quotient(span.begin, cols_); row * cols_ < end; ++row) {
      if (row != kept_) weight_ = of_row_(kept_ = row);
      const int64_t low = row * cols_ - span.begin, high = low + cols_;
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        if (low <= i && i < high) body(i, weight_);
      }
    }
  }

 private:
  OfRow of_row_;
  int64_t cols_, kept_ = -1;
  Weight weight_ = {};
};

template <typename Weight, typename OfRow>
__device__ RowWeights<Weight, OfRow> row_weights(OfRow of_row, int64_t cols) {
  return {of_row, cols};
}

}  // namespace genbench::cuda
