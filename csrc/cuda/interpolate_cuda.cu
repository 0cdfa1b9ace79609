// The CUDA kernels of csrc/interpolate.h.
#include "../interpolate.h"

#include "../math/interpolate.h"
#include "draw.cuh"
#include "rows.cuh"

namespace genbench::cuda {
namespace {

// A seed gives each row its own alpha; one alpha for all makes one row of the whole tensor.
template <typename T, typename Job>
__device__ auto segment_weights_of(const Job& job) {
  using C = compute_t<T>;
  const bool drawn = job.seed.at != nullptr;
  const Seed seed = drawn ? job.seed.read() : Seed{};
  const bool own = drawn || job.alpha.per_row;
  const auto of_row = [&job, drawn, seed](int64_t row) {
    const double given = drawn ? uniform_at<C>(seed, 0, row) : job.alpha.of_row(row);
    return segment_weights<C>(given);
  };
  return row_weights<SegmentWeights<C>>(of_row, own ? job.cols : job.rows * job.cols);
}

template <typename T>
__global__ void __launch_bounds__(kThreads) forward(Interpolate<T> job, bool vectors) {
  using C = compute_t<T>;
  auto weights = segment_weights_of<T>(job);
  const int64_t size = job.rows * job.cols;
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t pack = first_thread(); pack < pack_count<T>(size); pack += step) {
    const Span span = span_of<T>(pack * kPack<T>, 0, size, vectors);
    C real[kPack<T>], fake[kPack<T>];
    load_pack(job.real, span, real);
    load_pack(job.fake, span, fake);
    weights.template over<kPack<T>>(span, [&](int i, SegmentWeights<C> weight) {
      real[i] = segment_point(weight, real[i], fake[i]);
    });
    store_pack(real, span, job.out);
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads) backward(InterpolateBackward<T> job, bool vectors) {
  using C = compute_t<T>;
  auto weights = segment_weights_of<T>(job);
  const int64_t size = job.rows * job.cols;
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t pack = first_thread(); pack < pack_count<T>(size); pack += step) {
    const Span span = span_of<T>(pack * kPack<T>, 0, size, vectors);
    C real[kPack<T>], fake[kPack<T>];
    load_pack(job.grad, span, real);
    weights.template over<kPack<T>>(span, [&](int i, SegmentWeights<C> weight) {
      fake[i] = weight.fake * real[i];
      real[i] = weight.real * real[i];
    });
    if (job.grad_real != nullptr) store_pack(real, span, job.grad_real);
    if (job.grad_fake != nullptr) store_pack(fake, span, job.grad_fake);
  }
}

}  // namespace

template <typename T>
void interpolate(const Interpolate<T>& job, Stream stream) {
  const int64_t packs = pack_count<T>(job.rows * job.cols);
  if (packs == 0) return;
  launch("interpolate", forward<T>, blocks_for(packs, kThreads), stream, job,
         all_aligned(job.real, job.fake, job.out));
}

template <typename T>
void interpolate_backward(const InterpolateBackward<T>& job, Stream stream) {
  const int64_t packs = pack_count<T>(job.rows * job.cols);
  if (packs == 0) return;
  launch("interpolate_backward", backward<T>, blocks_for(packs, kThreads), stream, job,
         all_aligned(job.grad, job.grad_real, job.grad_fake));
}

#define GENBENCH_INSTANTIATE(T)                                \
  template void interpolate<T>(const Interpolate<T>&, Stream); \
  template void interpolate_backward<T>(const InterpolateBackward<T>&, Stream);
GENBENCH_FOR_EACH_TYPE(GENBENCH_INSTANTIATE)
#undef GENBENCH_INSTANTIATE

}  // namespace genbench::cuda
