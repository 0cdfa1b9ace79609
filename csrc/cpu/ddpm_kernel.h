// The DDPM kernels, included once by the source of each instruction set; no std:: templates, of
// which the linker may keep a copy that the machine cannot run.
#pragma once

#include "../ddpm.h"
#include "../math/ddpm.h"
#include "dispatch.h"
#include "draw.h"
#include "row_weights.h"

namespace genbench::cpu::GENBENCH_SET {

template <typename C>
void noising_weights_of(const Coefficient& alpha_bar, int64_t first, int64_t count,
                        C (*value)[kChunk]) {
  double bar[kWide];
  for (int64_t start = 0; start < count; start += kWide) {
    const int64_t wide = count - start < kWide ? count - start : kWide;
    read_rows(alpha_bar, first + start, wide, bar);
    for (int64_t i = 0; i < wide; ++i) {
      const NoisingWeights<C> weight = noising_weights<C>(bar[i]);
      value[0][start + i] = weight.signal;
      value[1][start + i] = weight.rest;
    }
  }
}

template <typename C, typename Job>
void step_weights_of(const Job& job, int64_t first, int64_t count, C (*value)[kChunk]) {
  double alpha[kWide], bar[kWide], sigma[kWide];
  for (int64_t start = 0; start < count; start += kWide) {
    const int64_t wide = count - start < kWide ? count - start : kWide;
    read_rows(job.alpha, first + start, wide, alpha);
    read_rows(job.alpha_bar, first + start, wide, bar);
    read_rows(job.sigma, first + start, wide, sigma);
    for (int64_t i = 0; i < wide; ++i) {
      const StepWeights<C> weight = step_weights<C>(alpha[i], bar[i], sigma[i]);
      value[0][start + i] = weight.scale;
      value[1][start + i] = weight.part;
      value[2][start + i] = weight.sigma;
    }
  }
}

template <typename T>
struct AddNoiseKernel {
  using C = compute_t<T>;
  static constexpr int kWeights = 2;
  const DdpmAddNoise<T>& job;
  alignas(64) C buffer[kNoise];

  explicit AddNoiseKernel(const DdpmAddNoise<T>& given) : job(given) {}

  void weights(int64_t first, int64_t count, C (*value)[kChunk]) {
    noising_weights_of(job.alpha_bar, first, count, value);
  }

  // The noise is rounded to T in memory, and read from there.
  void chunk(int64_t at, int64_t count) {
    if (job.noise != nullptr) return;
    write_chunk(draw_chunk<NormalLaw>(job.seed.read(), 0, at, count, buffer), count,
                job.drawn + at);
  }

  template <typename Weight>
  void elements(int64_t at, int64_t from, int64_t count, Weight weight) {
    const T* __restrict x0 = job.x0 + at + from;
    const T* __restrict given = (job.noise != nullptr ? job.noise : job.drawn) + at + from;
    T* __restrict x_t = job.x_t + at + from;
    for (int64_t i = 0; i < count; ++i) {
      store(x_t + i, noised<C>({weight(0, i), weight(1, i)}, load(x0 + i), load(given + i)));
    }
  }
};

template <typename T>
struct AddNoiseBackwardKernel {
  using C = compute_t<T>;
  static constexpr int kWeights = 2;
  const DdpmAddNoiseBackward<T>& job;

  void weights(int64_t first, int64_t count, C (*value)[kChunk]) {
    noising_weights_of(job.alpha_bar, first, count, value);
  }
  void chunk(int64_t, int64_t) {}

  template <typename Weight>
  void elements(int64_t at, int64_t from, int64_t count, Weight weight) {
    scale_elements(job.grad, at + from, count, weight, 0, job.grad_x0);
    scale_elements(job.grad, at + from, count, weight, 1, job.grad_noise);
  }
};

template <typename T>
struct StepKernel {
  using C = compute_t<T>;
  static constexpr int kWeights = 3;
  const DdpmStep<T>& job;
  const C* drawn = nullptr;  // noise of the chunk
  alignas(64) C buffer[kNoise];

  explicit StepKernel(const DdpmStep<T>& given) : job(given) {}

  void weights(int64_t first, int64_t count, C (*value)[kChunk]) {
    step_weights_of(job, first, count, value);
  }

  void chunk(int64_t at, int64_t count) {
    if (job.seed.at == nullptr) return;
    drawn = draw_chunk<NormalLaw>(job.seed.read(), 0, at, count, buffer);
  }

  template <typename Weight>
  void elements(int64_t at, int64_t from, int64_t count, Weight weight) {
    if (job.noise != nullptr) return step(at + from, count, weight, job.noise + at + from);
    if (drawn != nullptr) return step(at + from, count, weight, drawn + from);
    const T* __restrict x_t = job.x_t + at + from;
    const T* __restrict predicted = job.predicted_noise + at + from;
    T* __restrict out = job.out + at + from;
    for (int64_t i = 0; i < count; ++i) {
      store(out + i,
            step_mean<C>({weight(0, i), weight(1, i), 0}, load(x_t + i), load(predicted + i)));
    }
  }

  // Noise: const T*, as given, or const C*, as drawn.
  template <typename Weight, typename Noise>
  void step(int64_t begin, int64_t count, Weight weight, const Noise* __restrict noise) {
    const T* __restrict x_t = job.x_t + begin;
    const T* __restrict predicted = job.predicted_noise + begin;
    T* __restrict out = job.out + begin;
    for (int64_t i = 0; i < count; ++i) {
      const StepWeights<C> w = {weight(0, i), weight(1, i), weight(2, i)};
      const C mean = step_mean(w, load(x_t + i), load(predicted + i));
      store(out + i, mean + scaled_by(w.sigma, load(noise + i)));
    }
  }
};

template <typename T>
struct StepBackwardKernel {
  using C = compute_t<T>;
  static constexpr int kWeights = 3;
  const DdpmStepBackward<T>& job;

  void weights(int64_t first, int64_t count, C (*value)[kChunk]) {
    step_weights_of(job, first, count, value);
    // The slope in predicted_noise takes the place of its part.
    for (int64_t i = 0; i < count; ++i) value[1][i] *= -value[0][i];
  }
  void chunk(int64_t, int64_t) {}

  template <typename Weight>
  void elements(int64_t at, int64_t from, int64_t count, Weight weight) {
    scale_elements(job.grad, at + from, count, weight, 0, job.grad_x_t);
    scale_elements(job.grad, at + from, count, weight, 1, job.grad_predicted_noise);
    if (job.grad_noise == nullptr) return;
    const T* __restrict grad = job.grad + at + from;
    T* __restrict out = job.grad_noise + at + from;
    for (int64_t i = 0; i < count; ++i) store(out + i, scaled_by<C>(weight(2, i), load(grad + i)));
  }
};

template <typename T>
void ddpm_add_noise(const DdpmAddNoise<T>& job, int64_t begin, int64_t end) {
  AddNoiseKernel<T> kernel(job);
  for_rows(kernel, job, job.alpha_bar.per_row, begin, end);
}

template <typename T>
void ddpm_add_noise_backward(const DdpmAddNoiseBackward<T>& job, int64_t begin, int64_t end) {
  AddNoiseBackwardKernel<T> kernel{job};
  for_rows(kernel, job, job.alpha_bar.per_row, begin, end);
}

template <typename Job>
bool own_steps(const Job& job) {
  return job.alpha.per_row || job.alpha_bar.per_row || job.sigma.per_row;
}

template <typename T>
void ddpm_step(const DdpmStep<T>& job, int64_t begin, int64_t end) {
  StepKernel<T> kernel(job);
  for_rows(kernel, job, own_steps(job), begin, end);
}

template <typename T>
void ddpm_step_backward(const DdpmStepBackward<T>& job, int64_t begin, int64_t end) {
  StepBackwardKernel<T> kernel{job};
  for_rows(kernel, job, own_steps(job), begin, end);
}

#define GENBENCH_INSTANTIATE(T)                                                               \
  template void ddpm_add_noise<T>(const DdpmAddNoise<T>&, int64_t, int64_t);                  \
  template void ddpm_add_noise_backward<T>(const DdpmAddNoiseBackward<T>&, int64_t, int64_t); \
  template void ddpm_step<T>(const DdpmStep<T>&, int64_t, int64_t);                           \
  template void ddpm_step_backward<T>(const DdpmStepBackward<T>&, int64_t, int64_t);
GENBENCH_FOR_EACH_TYPE(GENBENCH_INSTANTIATE)
#undef GENBENCH_INSTANTIATE

}  // namespace genbench::cpu::GENBENCH_SET
