// Tensors whose rows have weights of their own, out = w1(row) a + w2(row) b + ...: chunk by chunk,
// the weights evaluated once a row. Included by the sources of one instruction set, which define
// GENBENCH_SET.
#pragma once

#include "../coefficient.h"
#include "chunk.h"

namespace genbench::cpu::GENBENCH_SET {

constexpr int64_t kLongRow = 16;  // a vector: shorter rows are computed many at once

// Weight k of the elements of a piece of one row.
template <typename C, int kWeights>
struct OfRow {
  C value[kWeights];
  C operator()(int k, int64_t) const { return value[k]; }
};

// Weight k of element i of a chunk of short rows.
template <typename C, int kWeights>
struct OfElement {
  const C* value[kWeights];
  C operator()(int k, int64_t i) const { return value[k][i]; }
};

template <typename T>
void read_rows(const T* from, int64_t count, double* to) {
  for (int64_t i = 0; i < count; ++i) to[i] = load(from + i);
}

// A coefficient of the rows [first, first + count).
static inline void read_rows(const Coefficient& coefficient, int64_t first, int64_t count,
                             double* to) {
  if (!coefficient.per_row) {
    const double value = coefficient.of_row(0);
    for (int64_t i = 0; i < count; ++i) to[i] = value;
    return;
  }
  switch (coefficient.storage) {
    case Storage::float64:
      return read_rows(static_cast<const double*>(coefficient.at) + first, count, to);
    case Storage::bfloat16:
      return read_rows(static_cast<const bfloat16*>(coefficient.at) + first, count, to);
    case Storage::float16:
      return read_rows(static_cast<const float16*>(coefficient.at) + first, count, to);
    case Storage::float32:
      return read_rows(static_cast<const float*>(coefficient.at) + first, count, to);
  }
}

// The weights of rows that lie together, kept from chunk to chunk: a long row has them once.
template <typename C, int kWeights>
struct RowWindow {
  int64_t first = 0, count = 0;
  alignas(64) C value[kWeights][kChunk];  // of the rows [first, first + count)

  template <typename Kernel>
  void cover(Kernel& kernel, int64_t from, int64_t wanted, int64_t rows) {
    if (first <= from && from + wanted <= first + count) return;
    first = from;
    count = padded(wanted) < rows - from ? padded(wanted) : rows - from;
    kernel.weights(first, count, value);
  }

  OfRow<C, kWeights> of_row(int64_t row) const {
    OfRow<C, kWeights> weights;
    for (int k = 0; k < kWeights; ++k) weights.value[k] = value[k][row - first];
    return weights;
  }
};

template <typename C, int kWeights>
struct SpreadWeights {
  alignas(64) C buffer[kWeights][kSpread];

  OfElement<C, kWeights> of_elements(const RowWindow<C, kWeights>& window, int64_t row,
                                     int64_t column, int64_t cols, int64_t count) {
    OfElement<C, kWeights> weights;
    for (int k = 0; k < kWeights; ++k) {
      const C* rows = window.value[k] + (row - window.first);
      if (cols > 1) spread_rows(rows, cols, column, count, buffer[k]);
      weights.value[k] = cols > 1 ? buffer[k] : rows;
    }
    return weights;
  }
};

// Element i of `count` from `begin` on: weight k of it times `from`; nothing where `to` is null.
template <typename T, typename Weight>
void scale_elements(const T* from, int64_t begin, int64_t count, Weight weight, int k, T* to) {
  if (to == nullptr) return;
  const T* __restrict read = from + begin;
  T* __restrict written = to + begin;
  for (int64_t i = 0; i < count; ++i) store(written + i, weight(k, i) * load(read + i));
}

// The chunks [begin, end) of the job's tensors [rows, cols]; `own`: its rows have weights of their
// own, else the whole is one long row. A Kernel has:
//   C, kWeights                          the compute type, the number of weights
//   weights(first, count, value)         value[k][i] = weight k of row first + i
//   chunk(at, count)                     what a chunk needs first, such as its noise
//   elements(at, from, count, weight)    elements [at + from, .. + count), of the chunk that starts
//                                        at `at`, with weight(k, i) for element at + from + i
template <typename Kernel, typename Job>
void for_rows(Kernel& kernel, const Job& job, bool own, int64_t begin, int64_t end) {
  using C = typename Kernel::C;
  RowWindow<C, Kernel::kWeights> window;
  SpreadWeights<C, Kernel::kWeights> spread;
  const int64_t size = job.rows * job.cols;
  const int64_t rows = own ? job.rows : 1, cols = own ? job.cols : size;
  for (int64_t chunk = begin; chunk < end; ++chunk) {
    const int64_t at = chunk * kChunk;
    const int64_t count = size - at < kChunk ? size - at : kChunk;
    int64_t row = at / cols, column = at % cols;
    kernel.chunk(at, count);
    window.cover(kernel, row, (column + count - 1) / cols + 1, rows);
    if (rows > 1 && cols < kLongRow) {
      kernel.elements(at, 0, count, spread.of_elements(window, row, column, cols, count));
      continue;
    }
    for (int64_t from = 0, stop; from < count; from = stop, column = 0, ++row) {
      stop = from + cols - column < count ? from + cols - column : count;
      kernel.elements(at, from, stop - from, window.of_row(row));
    }
  }
}

}  // namespace genbench::cpu::GENBENCH_SET
