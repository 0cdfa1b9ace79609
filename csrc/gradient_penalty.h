// Penalties on the norm of gradients through raw pointers; no torch. The formulas are in
// math/gradient_penalty.h.
#pragma once

#include "math/gradient_penalty.h"
#include "math/half.h"
#include "noise.h"

namespace genbench {

template <typename T>
struct GradientPenaltyForward {
  const T* gradients;  // [rows, cols]
  int64_t rows, cols;
  Penalty penalty;
  compute_t<T>* mean;  // [1], over rows of (norm - center)^2
  double* slope;       // [rows]: slope * gradients / rows is the derivative of `mean`; null: not
                       // wanted
  double* partial;     // [row_steps(rows, cols)] on the CPU, else [gradient_penalty_partials]
};

template <typename T>
struct GradientPenaltyBackward {
  const compute_t<T>* grad_mean;  // [1], in the memory of the device that computes
  const T* gradients;             // [rows, cols]
  const double* slope;            // [rows], of the forward pass
  int64_t rows, cols;
  T* out;  // [rows, cols] gradients * slope * grad_mean / rows
};

namespace cpu {

// [begin, end): steps, of row_steps(rows, cols).
template <typename T>
void gradient_penalty_forward(const GradientPenaltyForward<T>& job, int64_t begin, int64_t end);

// Adds up `partial` into `mean`, after the whole forward range.
template <typename T>
void gradient_penalty_finish(const GradientPenaltyForward<T>& job);

// [begin, end): chunks of the flat tensor, of chunk_count(rows * cols).
template <typename T>
void gradient_penalty_backward(const GradientPenaltyBackward<T>& job, int64_t begin, int64_t end);

}  // namespace cpu

namespace cuda {

// Doubles that `partial` must hold.
template <typename T>
int64_t gradient_penalty_partials(int64_t rows, int64_t cols);

// Queue their kernels on `stream` of the current device and wait for nothing.
template <typename T>
void gradient_penalty_forward(const GradientPenaltyForward<T>& job, Stream stream);

template <typename T>
void gradient_penalty_backward(const GradientPenaltyBackward<T>& job, Stream stream);

}  // namespace cuda
}  // namespace genbench
