// The gradient_penalty kernels, included once by the source of each instruction set; no std::
// templates, of which the linker may keep a copy that the machine cannot run.
#pragma once

#include "../gradient_penalty.h"
#include "chunk.h"
#include "dispatch.h"

namespace genbench::cpu::GENBENCH_SET {

// Elements in the compute type: where they lie, or from the buffer.
template <typename T, typename C = compute_t<T>>
const C* computable(const T* from, int64_t count, C* buffer) {
  read_chunk(from, count, buffer);
  return buffer;
}
static inline const float* computable(const float* from, int64_t, float*) { return from; }
static inline const double* computable(const double* from, int64_t, double*) { return from; }

// In double, where the squares of float neither overflow nor underflow. Sixteen running sums
// folded in a fixed order, then the remainder.
template <typename C>
double sum_of_squares(const C* __restrict x, int64_t count) {
  constexpr int kLanes = 16;
  double total = 0;
  int64_t i = 0;
  if (count >= kLanes) {
    double lane[kLanes] = {};
    for (; i + kLanes <= count; i += kLanes) {
      for (int j = 0; j < kLanes; ++j) {
        const double value = x[i + j];
        lane[j] += value * value;
      }
    }
    for (int half = kLanes / 2; half > 0; half /= 2) {
      for (int j = 0; j < half; ++j) lane[j] += lane[j + half];
    }
    total = lane[0];
  }
  for (; i < count; ++i) total += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return total;
}

// Second passes over the rows that need one; only rows of double can.
template <typename C>
void mend_norms(const C* x, int64_t cols, int64_t rows, double* norm, double* squares) {
  if (sizeof(C) < sizeof(double)) return;
  for (int64_t row = 0; row < rows; ++row) {
    if (safe_squares(squares[row])) continue;
    norm[row] = scaled_norm(x + row * cols, cols, squares[row]);
    squares[row] = norm[row] * norm[row];
  }
}

struct RowBuffers {
  alignas(64) double squares[kChunk];
  alignas(64) double norm[kChunk];
  alignas(64) double term[kChunk];
};

// The terms of whole rows [first, first + rows) that one step covers.
template <typename T>
void row_terms(const GradientPenaltyForward<T>& job, int64_t first, int64_t rows,
               RowBuffers& buffers) {
  using C = compute_t<T>;
  alignas(64) C buffer[kChunk];
  const C* x = computable(job.gradients + first * job.cols, rows * job.cols, buffer);
  for (int64_t row = 0; row < rows; ++row) {
    buffers.squares[row] = sum_of_squares(x + row * job.cols, job.cols);
  }
  for (int64_t row = 0; row < rows; ++row) buffers.norm[row] = square_root(buffers.squares[row]);
  mend_norms(x, job.cols, rows, buffers.norm, buffers.squares);
  double* __restrict slope = job.slope == nullptr ? nullptr : job.slope + first;
  for (int64_t row = 0; row < rows; ++row) {
    const PenaltyTerm at =
        penalty_term(job.penalty, buffers.norm[row], buffers.squares[row], Tiny<C>::value);
    buffers.term[row] = at.term;
    if (slope != nullptr) slope[row] = at.slope;
  }
}

template <typename T>
void gradient_penalty_forward(const GradientPenaltyForward<T>& job, int64_t begin, int64_t end) {
  const int64_t chunks = chunk_count(job.cols), rows = rows_per_step(job.cols);
  RowBuffers buffers;
  for (int64_t step = begin; step < end; ++step) {
    if (job.cols > kChunk) {
      alignas(64) compute_t<T> buffer[kChunk];
      const int64_t row = step / chunks, at = step % chunks * kChunk;
      const int64_t count = job.cols - at < kChunk ? job.cols - at : kChunk;
      const T* from = job.gradients + row * job.cols + at;
      job.partial[step] = sum_of_squares(computable(from, count, buffer), count);
      continue;
    }
    const int64_t first = step * rows, left = job.rows - first;
    const int64_t count = left < rows ? left : rows;
    row_terms(job, first, count, buffers);
    job.partial[step] = sum(buffers.term, count);
  }
}

template <typename T>
void gradient_penalty_backward(const GradientPenaltyBackward<T>& job, int64_t begin, int64_t end) {
  using C = compute_t<T>;
  alignas(64) C of_row[kChunk + 1], factor[kSpread];
  const double scale = static_cast<double>(*job.grad_mean) / static_cast<double>(job.rows);
  const int64_t size = job.rows * job.cols;
  for (int64_t chunk = begin; chunk < end; ++chunk) {
    const int64_t at = chunk * kChunk, count = size - at < kChunk ? size - at : kChunk;
    const int64_t first = at / job.cols, last = (at + count - 1) / job.cols;
    for (int64_t row = first; row <= last; ++row) {
      of_row[row - first] = static_cast<C>(job.slope[row] * scale);
    }
    spread_rows(of_row, job.cols, at - first * job.cols, count, factor);
    const T* __restrict from = job.gradients + at;
    T* __restrict out = job.out + at;
    for (int64_t i = 0; i < count; ++i) store(out + i, factor[i] * load(from + i));
  }
}

#define GENBENCH_INSTANTIATE(T)                                                                  \
  template void gradient_penalty_forward<T>(const GradientPenaltyForward<T>&, int64_t, int64_t); \
  template void gradient_penalty_backward<T>(const GradientPenaltyBackward<T>&, int64_t, int64_t);
GENBENCH_FOR_EACH_TYPE(GENBENCH_INSTANTIATE)
#undef GENBENCH_INSTANTIATE

}  // namespace genbench::cpu::GENBENCH_SET
