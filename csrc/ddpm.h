// Forward and reverse steps of a denoising diffusion model, with one coefficient a row, through
// raw pointers; no torch. The formulas are in math/ddpm.h.
#pragma once

#include "coefficient.h"
#include "noise.h"

namespace genbench {

// x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) noise.
template <typename T>
struct DdpmAddNoise {
  const T* x0;     // [rows, cols]
  const T* noise;  // [rows, cols]; null: normal numbers of `seed`
  SeedWords seed;  // read where noise is null
  Coefficient alpha_bar;
  int64_t rows, cols;
  T* x_t;    // [rows, cols]
  T* drawn;  // [rows, cols], the noise in T, of which x_t is computed; null where it is given
};

template <typename T>
struct DdpmAddNoiseBackward {
  const T* grad;  // [rows, cols], of x_t
  Coefficient alpha_bar;
  int64_t rows, cols;
  T* grad_x0;     // [rows, cols], or null: not needed
  T* grad_noise;  // [rows, cols], or null
};

// out = (x_t - (1 - alpha) / sqrt(1 - alpha_bar) predicted_noise) / sqrt(alpha) + sigma noise.
template <typename T>
struct DdpmStep {
  const T* x_t;              // [rows, cols]
  const T* predicted_noise;  // [rows, cols]
  const T* noise;            // [rows, cols]; null: normal numbers of `seed` in compute_t
  SeedWords seed;            // seed.at null too: no noise is added
  Coefficient alpha, alpha_bar, sigma;
  int64_t rows, cols;
  T* out;  // [rows, cols]
};

template <typename T>
struct DdpmStepBackward {
  const T* grad;  // [rows, cols], of out
  Coefficient alpha, alpha_bar, sigma;
  int64_t rows, cols;
  T* grad_x_t;              // [rows, cols], or null: not needed
  T* grad_predicted_noise;  // [rows, cols], or null
  T* grad_noise;            // [rows, cols], or null
};

namespace cpu {

// [begin, end): chunks of the flat tensor, of chunk_count(rows * cols).
template <typename T>
void ddpm_add_noise(const DdpmAddNoise<T>& job, int64_t begin, int64_t end);

template <typename T>
void ddpm_add_noise_backward(const DdpmAddNoiseBackward<T>& job, int64_t begin, int64_t end);

template <typename T>
void ddpm_step(const DdpmStep<T>& job, int64_t begin, int64_t end);

template <typename T>
void ddpm_step_backward(const DdpmStepBackward<T>& job, int64_t begin, int64_t end);

}  // namespace cpu

namespace cuda {

// Queue their kernels on `stream` of the current device and wait for nothing.
template <typename T>
void ddpm_add_noise(const DdpmAddNoise<T>& job, Stream stream);

template <typename T>
void ddpm_add_noise_backward(const DdpmAddNoiseBackward<T>& job, Stream stream);

template <typename T>
void ddpm_step(const DdpmStep<T>& job, Stream stream);

template <typename T>
void ddpm_step_backward(const DdpmStepBackward<T>& job, Stream stream);

}  // namespace cuda
}  // namespace genbench
