// Steps of a denoising diffusion model. Ho et al. 2020, arXiv 2006.11239.
//
// Coefficients come in double, where 1 - alpha_bar keeps its digits (float32 loses 6e-4 of it at
// alpha_bar .9999); their roots are taken in T, because a GPU has few units for double ones.
#pragma once

#include "elementary.h"

namespace genbench {

// Equation 4: x_t = signal x0 + rest noise.
template <typename T>
struct NoisingWeights {
  T signal, rest;
};

template <typename T>
GENBENCH_INLINE NoisingWeights<T> noising_weights(double alpha_bar) {
  return {square_root(static_cast<T>(alpha_bar)), square_root(static_cast<T>(1 - alpha_bar))};
}

template <typename T>
GENBENCH_INLINE T noised(NoisingWeights<T> weight, T x0, T noise) {
  return weight.signal * x0 + weight.rest * noise;
}

// Algorithm 2, line 4: x_{t-1} = scale (x_t - part predicted_noise) + sigma z.
template <typename T>
struct StepWeights {
  T scale, part, sigma;
};

template <typename T>
GENBENCH_INLINE StepWeights<T> step_weights(double alpha, double alpha_bar, double sigma) {
  return {T(1) / square_root(static_cast<T>(alpha)),
          static_cast<T>(1 - alpha) / square_root(static_cast<T>(1 - alpha_bar)),
          static_cast<T>(sigma)};
}

template <typename T>
GENBENCH_INLINE T step_mean(StepWeights<T> weight, T x_t, T predicted_noise) {
  return weight.scale * (x_t - weight.part * predicted_noise);
}

// sigma x; where sigma is 0 the other factor is not looked at: 0 * infinity would be NaN.
template <typename T>
GENBENCH_INLINE T scaled_by(T sigma, T x) {
  return sigma == T(0) ? T(0) : sigma * x;
}

}  // namespace genbench
