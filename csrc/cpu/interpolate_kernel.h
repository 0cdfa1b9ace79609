// The interpolate kernels, included once by the source of each instruction set; no std::
// templates, of which the linker may keep a copy that the machine cannot run.
#pragma once

#include "../interpolate.h"
#include "../math/interpolate.h"
#include "dispatch.h"
#include "draw.h"
#include "row_weights.h"

namespace genbench::cpu::GENBENCH_SET {

template <typename C>
void segment_weights_of(const Coefficient& alpha, SeedWords seed, int64_t first, int64_t count,
                        C (*value)[kChunk]) {
  alignas(64) C noise[kNoise];
  double given[kWide];
  const C* drawn = nullptr;
  if (seed.at != nullptr) drawn = draw_chunk<UniformLaw>(seed.read(), 0, first, count, noise);
  for (int64_t start = 0; start < count; start += kWide) {
    const int64_t wide = count - start < kWide ? count - start : kWide;
    if (drawn != nullptr) {
      for (int64_t i = 0; i < wide; ++i) given[i] = drawn[start + i];
    } else {
      read_rows(alpha, first + start, wide, given);
    }
    for (int64_t i = 0; i < wide; ++i) {
      const SegmentWeights<C> weight = segment_weights<C>(given[i]);
      value[0][start + i] = weight.real;
      value[1][start + i] = weight.fake;
    }
  }
}

template <typename T>
struct InterpolateKernel {
  using C = compute_t<T>;
  static constexpr int kWeights = 2;
  const Interpolate<T>& job;

  void weights(int64_t first, int64_t count, C (*value)[kChunk]) {
    segment_weights_of(job.alpha, job.seed, first, count, value);
  }
  void chunk(int64_t, int64_t) {}

  template <typename Weight>
  void elements(int64_t at, int64_t from, int64_t count, Weight weight) {
    const T* __restrict real = job.real + at + from;
    const T* __restrict fake = job.fake + at + from;
    T* __restrict out = job.out + at + from;
    for (int64_t i = 0; i < count; ++i) {
      store(out + i,
            segment_point<C>({weight(0, i), weight(1, i)}, load(real + i), load(fake + i)));
    }
  }
};

template <typename T>
struct InterpolateBackwardKernel {
  using C = compute_t<T>;
  static constexpr int kWeights = 2;
  const InterpolateBackward<T>& job;

  void weights(int64_t first, int64_t count, C (*value)[kChunk]) {
    segment_weights_of(job.alpha, job.seed, first, count, value);
  }
  void chunk(int64_t, int64_t) {}

  template <typename Weight>
  void elements(int64_t at, int64_t from, int64_t count, Weight weight) {
    scale_elements(job.grad, at + from, count, weight, 0, job.grad_real);
    scale_elements(job.grad, at + from, count, weight, 1, job.grad_fake);
  }
};

template <typename T>
void interpolate(const Interpolate<T>& job, int64_t begin, int64_t end) {
  InterpolateKernel<T> kernel{job};
  for_rows(kernel, job, job.seed.at != nullptr || job.alpha.per_row, begin, end);
}

template <typename T>
void interpolate_backward(const InterpolateBackward<T>& job, int64_t begin, int64_t end) {
  InterpolateBackwardKernel<T> kernel{job};
  for_rows(kernel, job, job.seed.at != nullptr || job.alpha.per_row, begin, end);
}

#define GENBENCH_INSTANTIATE(T)                                          \
  template void interpolate<T>(const Interpolate<T>&, int64_t, int64_t); \
  template void interpolate_backward<T>(const InterpolateBackward<T>&, int64_t, int64_t);
GENBENCH_FOR_EACH_TYPE(GENBENCH_INSTANTIATE)
#undef GENBENCH_INSTANTIATE

}  // namespace genbench::cpu::GENBENCH_SET
