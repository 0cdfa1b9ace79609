// The CUDA kernels of csrc/ddpm.h.
#include "../ddpm.h"

#include "../math/ddpm.h"
#include "draw.cuh"
#include "rows.cuh"

namespace genbench::cuda {
namespace {

// Blocks that a processor holds at once: up to 80 registers a thread. Left to itself the compiler
// spills eight bytes to come down to 40 or 64.
constexpr int kResident = 3;

template <typename T>
__device__ auto noising_weights_of(const Coefficient& alpha_bar, int64_t rows, int64_t cols) {
  using C = compute_t<T>;
  const auto of_row = [&alpha_bar](int64_t row) {
    return noising_weights<C>(alpha_bar.of_row(row));
  };
  return row_weights<NoisingWeights<C>>(of_row, alpha_bar.per_row ? cols : rows * cols);
}

template <typename T, typename Job>
__device__ auto step_weights_of(const Job& job) {
  using C = compute_t<T>;
  const bool own = job.alpha.per_row || job.alpha_bar.per_row || job.sigma.per_row;
  const auto of_row = [&job](int64_t row) {
    return step_weights<C>(job.alpha.of_row(row), job.alpha_bar.of_row(row), job.sigma.of_row(row));
  };
  return row_weights<StepWeights<C>>(of_row, own ? job.cols : job.rows * job.cols);
}

template <typename T>
__global__ void __launch_bounds__(kThreads, kResident)
    add_noise(DdpmAddNoise<T> job, bool vectors) {
  using C = compute_t<T>;
  auto weights = noising_weights_of<T>(job.alpha_bar, job.rows, job.cols);
  const Seed seed = job.noise == nullptr ? job.seed.read() : Seed{};
  const int64_t size = job.rows * job.cols;
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t pack = first_thread(); pack < pack_count<T>(size); pack += step) {
    const Span span = span_of<T>(pack * kPack<T>, 0, size, vectors);
    C x[kPack<T>], noise[kPack<T>];
    load_pack(job.x0, span, x);
    if (job.noise != nullptr) {
      load_pack(job.noise, span, noise);
    } else {
      draw_pack<NormalLaw>(seed, 0, span.begin, noise);
#pragma unroll
      for (int i = 0; i < kPack<T>; ++i) noise[i] = rounded<T>(noise[i]);  // as it is returned
      store_pack(noise, span, job.drawn);
    }
    weights.template over<kPack<T>>(
        span, [&](int i, NoisingWeights<C> weight) { x[i] = noised(weight, x[i], noise[i]); });
    store_pack(x, span, job.x_t);
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads, kResident)
    add_noise_backward(DdpmAddNoiseBackward<T> job, bool vectors) {
  using C = compute_t<T>;
  auto weights = noising_weights_of<T>(job.alpha_bar, job.rows, job.cols);
  const int64_t size = job.rows * job.cols;
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t pack = first_thread(); pack < pack_count<T>(size); pack += step) {
    const Span span = span_of<T>(pack * kPack<T>, 0, size, vectors);
    C x0[kPack<T>], noise[kPack<T>];
    load_pack(job.grad, span, x0);
    weights.template over<kPack<T>>(span, [&](int i, NoisingWeights<C> weight) {
      noise[i] = weight.rest * x0[i];
      x0[i] = weight.signal * x0[i];
    });
    if (job.grad_x0 != nullptr) store_pack(x0, span, job.grad_x0);
    if (job.grad_noise != nullptr) store_pack(noise, span, job.grad_noise);
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads, kResident) step(DdpmStep<T> job, bool vectors) {
  using C = compute_t<T>;
  auto weights = step_weights_of<T>(job);
  const bool drawn = job.noise == nullptr && job.seed.at != nullptr;
  const bool noisy = drawn || job.noise != nullptr;
  const Seed seed = drawn ? job.seed.read() : Seed{};
  const int64_t size = job.rows * job.cols;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t pack = first_thread(); pack < pack_count<T>(size); pack += stride) {
    const Span span = span_of<T>(pack * kPack<T>, 0, size, vectors);
    C x[kPack<T>], predicted[kPack<T>], noise[kPack<T>] = {};
    load_pack(job.x_t, span, x);
    load_pack(job.predicted_noise, span, predicted);
    if (drawn) draw_pack<NormalLaw>(seed, 0, span.begin, noise);
    if (job.noise != nullptr) load_pack(job.noise, span, noise);
    weights.template over<kPack<T>>(span, [&](int i, StepWeights<C> weight) {
      x[i] = step_mean(weight, x[i], predicted[i]);
      if (noisy) x[i] += scaled_by(weight.sigma, noise[i]);
    });
    store_pack(x, span, job.out);
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads, kResident)
    step_backward(DdpmStepBackward<T> job, bool vectors) {
  using C = compute_t<T>;
  auto weights = step_weights_of<T>(job);
  const int64_t size = job.rows * job.cols;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t pack = first_thread(); pack < pack_count<T>(size); pack += stride) {
    const Span span = span_of<T>(pack * kPack<T>, 0, size, vectors);
    C x_t[kPack<T>], predicted[kPack<T>], noise[kPack<T>];
    load_pack(job.grad, span, x_t);
    weights.template over<kPack<T>>(span, [&](int i, StepWeights<C> weight) {
      noise[i] = scaled_by(weight.sigma, x_t[i]);
      predicted[i] = -weight.part * weight.scale * x_t[i];
      x_t[i] = weight.scale * x_t[i];
    });
    if (job.grad_x_t != nullptr) store_pack(x_t, span, job.grad_x_t);
    if (job.grad_predicted_noise != nullptr) store_pack(predicted, span, job.grad_predicted_noise);
    if (job.grad_noise != nullptr) store_pack(noise, span, job.grad_noise);
  }
}

template <typename T, typename Job>
void launch_packs(const char* name, void (*kernel)(Job, bool), const Job& job, Stream stream,
                  bool vectors) {
  const int64_t packs = pack_count<T>(job.rows * job.cols);
  if (packs > 0) launch(name, kernel, blocks_for(packs, kThreads), stream, job, vectors);
}

}  // namespace

template <typename T>
void ddpm_add_noise(const DdpmAddNoise<T>& job, Stream stream) {
  launch_packs<T>("ddpm_add_noise", add_noise<T>, job, stream,
                  all_aligned(job.x0, job.noise, job.x_t, job.drawn));
}

template <typename T>
void ddpm_add_noise_backward(const DdpmAddNoiseBackward<T>& job, Stream stream) {
  launch_packs<T>("ddpm_add_noise_backward", add_noise_backward<T>, job, stream,
                  all_aligned(job.grad, job.grad_x0, job.grad_noise));
}

template <typename T>
void ddpm_step(const DdpmStep<T>& job, Stream stream) {
  launch_packs<T>("ddpm_step", step<T>, job, stream,
                  all_aligned(job.x_t, job.predicted_noise, job.noise, job.out));
}

template <typename T>
void ddpm_step_backward(const DdpmStepBackward<T>& job, Stream stream) {
  launch_packs<T>("ddpm_step_backward", step_backward<T>, job, stream,
                  all_aligned(job.grad, job.grad_x_t, job.grad_predicted_noise, job.grad_noise));
}

#define GENBENCH_INSTANTIATE(T)                                                     \
  template void ddpm_add_noise<T>(const DdpmAddNoise<T>&, Stream);                  \
  template void ddpm_add_noise_backward<T>(const DdpmAddNoiseBackward<T>&, Stream); \
  template void ddpm_step<T>(const DdpmStep<T>&, Stream);                           \
  template void ddpm_step_backward<T>(const DdpmStepBackward<T>&, Stream);
GENBENCH_FOR_EACH_TYPE(GENBENCH_INSTANTIATE)
#undef GENBENCH_INSTANTIATE

}  // namespace genbench::cuda
