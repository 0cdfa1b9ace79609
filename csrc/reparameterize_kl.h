// z = mu + exp(logvar / 2) eps and its KL from the standard normal, through raw pointers; no
// torch. The formulas are in math/reparameterize_kl.h.
#pragma once

#include "math/half.h"
#include "noise.h"

namespace genbench {

template <typename T>
struct ReparameterizeKlForward {
  const T* mu;      // [rows, cols]
  const T* logvar;  // [rows, cols]
  const T* eps;     // [rows, cols]; null: normal numbers of `seed`
  SeedWords seed;   // read where eps is null
  int64_t rows, cols;
  T* z;              // [rows, cols]
  compute_t<T>* kl;  // [rows], nats
  // Memory for the sums of long rows' parts, null where none is needed. On the CPU
  // [rows, chunk_count(cols)] for rows longer than a chunk, else reparameterize_kl_partials.
  double* partial;
};

template <typename T>
struct ReparameterizeKlBackward {
  const T* grad_z;              // [rows, cols], or null
  const compute_t<T>* grad_kl;  // [rows], or null
  const T* mu;                  // [rows, cols]
  const T* logvar;              // [rows, cols]
  const T* eps;                 // [rows, cols]; null: normal numbers of `seed`
  SeedWords seed;
  int64_t rows, cols;
  T* grad_mu;      // [rows, cols]
  T* grad_logvar;  // [rows, cols]
};

namespace cpu {

// [begin, end): steps, of row_steps(rows, cols).
template <typename T>
void reparameterize_kl_forward(const ReparameterizeKlForward<T>& job, int64_t begin, int64_t end);

// Adds up `partial` into `kl`, after the whole forward range; needed where partial is not null.
template <typename T>
void reparameterize_kl_finish(const ReparameterizeKlForward<T>& job);

// [begin, end): chunks of the flat tensor, of chunk_count(rows * cols).
template <typename T>
void reparameterize_kl_backward(const ReparameterizeKlBackward<T>& job, int64_t begin, int64_t end);

}  // namespace cpu

namespace cuda {

// Doubles that `partial` must hold.
int64_t reparameterize_kl_partials(int64_t rows, int64_t cols);

// Queue their kernels on `stream` of the current device and wait for nothing.
template <typename T>
void reparameterize_kl_forward(const ReparameterizeKlForward<T>& job, Stream stream);

template <typename T>
void reparameterize_kl_backward(const ReparameterizeKlBackward<T>& job, Stream stream);

}  // namespace cuda
}  // namespace genbench
