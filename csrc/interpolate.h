// alpha real + (1 - alpha) fake, one alpha a row, through raw pointers; no torch. The formulas are
// in math/interpolate.h.
#pragma once

#include "coefficient.h"
#include "noise.h"

namespace genbench {

template <typename T>
struct Interpolate {
  const T* real;      // [rows, cols]
  const T* fake;      // [rows, cols]
  Coefficient alpha;  // read where seed.at is null
  SeedWords seed;     // alpha of row r is number `first` + r of the uniform sequence, in compute_t
  int64_t rows, cols;
  T* out;  // [rows, cols]
};

template <typename T>
struct InterpolateBackward {
  const T* grad;  // [rows, cols]
  Coefficient alpha;
  SeedWords seed;
  int64_t rows, cols;
  T* grad_real;  // [rows, cols], or null: not wanted
  T* grad_fake;  // [rows, cols], or null
};

namespace cpu {

// [begin, end): chunks of the flat tensor, of chunk_count(rows * cols).
template <typename T>
void interpolate(const Interpolate<T>& job, int64_t begin, int64_t end);

template <typename T>
void interpolate_backward(const InterpolateBackward<T>& job, int64_t begin, int64_t end);

}  // namespace cpu

namespace cuda {

// Queue their kernels on `stream` of the current device and wait for nothing.
template <typename T>
void interpolate(const Interpolate<T>& job, Stream stream);

template <typename T>
void interpolate_backward(const InterpolateBackward<T>& job, Stream stream);

}  // namespace cuda
}  // namespace genbench
