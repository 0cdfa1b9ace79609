// The CUDA kernels of csrc/reparameterize_kl.h.
#include "../reparameterize_kl.h"

#include "../math/reparameterize_kl.h"
#include "draw.cuh"
#include "reduce.cuh"
#include "rows.cuh"

namespace genbench::cuda {
namespace {

template <typename T, typename C = compute_t<T>>
__device__ void read_eps(const T* eps, Seed seed, const Span& span, C (&to)[kPack<T>]) {
  if (eps != nullptr) return load_pack(eps, span, to);
  draw_pack<NormalLaw>(seed, 0, span.begin, to);
}

template <typename Job>
__device__ Seed read_seed(const Job& job) {
  return job.eps == nullptr ? job.seed.read() : Seed{};
}

// z of every width-th pack of the elements [low, high), from number `lane` on; the sum of their KL
// terms. What a pack holds outside the range reads as 0, whose term is 0.
template <typename T, typename C = compute_t<T>>
__device__ C forward_terms(const ReparameterizeKlForward<T>& job, Seed seed, int64_t low,
                           int64_t high, int lane, int width, bool vectors) {
  C sum = 0;
  const int64_t step = static_cast<int64_t>(width) * kPack<T>;
  for (int64_t begin = (low / kPack<T> + lane) * kPack<T>; begin < high; begin += step) {
    const Span span = span_of<T>(begin, low, high, vectors);
    C mu[kPack<T>], logvar[kPack<T>], eps[kPack<T>];
    load_pack(job.mu, span, mu);
    load_pack(job.logvar, span, logvar);
    read_eps(job.eps, seed, span, eps);
#pragma unroll
    for (int i = 0; i < kPack<T>; ++i) {
      const Latent<C> out = latent(mu[i], logvar[i], eps[i]);
      mu[i] = out.z;
      sum += out.kl;
    }
    store_pack(mu, span, job.z);
  }
  return sum;
}

// Short rows: `width` threads each.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    forward_rows(ReparameterizeKlForward<T> job, int width, bool vectors) {
  using C = compute_t<T>;
  const Seed seed = read_seed(job);
  const int lane = threadIdx.x & (width - 1);
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads / width;
  // A warp goes on until all of its rows are done: they are summed together.
  for (int64_t row = first_thread() / width; row - threadIdx.x / width < job.rows; row += step) {
    C sum = 0;
    if (row < job.rows) {
      const int64_t low = row * job.cols;
      sum = forward_terms(job, seed, low, low + job.cols, lane, width, vectors);
    }
    sum = group_sum(sum, width);
    if (row < job.rows && lane == 0) job.kl[row] = sum;
  }
}

// Long rows: a block for every segment, and the last block of a row adds up.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    forward_segments(ReparameterizeKlForward<T> job, Partials partials, int64_t segments,
                     bool vectors) {
  using C = compute_t<T>;
  const Seed seed = read_seed(job);
  for (int64_t unit = blockIdx.x; unit < job.rows * segments; unit += gridDim.x) {
    const int64_t row = quotient(unit, segments), segment = unit - row * segments;
    const int64_t low = row * job.cols + segment * kSegment, end = (row + 1) * job.cols;
    const int64_t high = low + kSegment < end ? low + kSegment : end;
    const C sum = block_sum(forward_terms(job, seed, low, high, threadIdx.x, kThreads, vectors));
    if (segments == 1) {
      if (threadIdx.x == 0) job.kl[row] = sum;
      continue;
    }
    double* const of_row = partials.sum + row * segments;
    if (threadIdx.x == 0) of_row[segment] = sum;
    if (!is_last(partials.ticket + row, segments)) continue;
    const double total = sum_partials(of_row, segments);
    if (threadIdx.x == 0) job.kl[row] = static_cast<C>(total);
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    backward(ReparameterizeKlBackward<T> job, bool vectors) {
  using C = compute_t<T>;
  const bool has_z = job.grad_z != nullptr, has_kl = job.grad_kl != nullptr;
  const Seed seed = has_z ? read_seed(job) : Seed{};
  const int64_t size = job.rows * job.cols;
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads;
  const auto read_grad_kl = [&](int64_t row) { return has_kl ? job.grad_kl[row] : C(0); };
  auto rows = row_weights<C>(read_grad_kl, job.cols);
  for (int64_t pack = first_thread(); pack < pack_count<T>(size); pack += step) {
    const Span span = span_of<T>(pack * kPack<T>, 0, size, vectors);
    C mu[kPack<T>], logvar[kPack<T>], grad_z[kPack<T>] = {}, eps[kPack<T>] = {};
    load_pack(job.mu, span, mu);
    load_pack(job.logvar, span, logvar);
    if (has_z) load_pack(job.grad_z, span, grad_z);
    if (has_z) read_eps(job.eps, seed, span, eps);
    rows.template over<kPack<T>>(span, [&](int i, C grad_kl) {
      const LatentGradient<C> grad = {grad_z[i], grad_kl, has_z, has_kl};
      const LatentSlopes<C> slopes = latent_slopes(mu[i], logvar[i], eps[i], grad);
      mu[i] = slopes.mu;
      logvar[i] = slopes.logvar;
    });
    store_pack(mu, span, job.grad_mu);
    store_pack(logvar, span, job.grad_logvar);
  }
}

}  // namespace

int64_t reparameterize_kl_partials(int64_t rows, int64_t cols) {
  return cols > kSegment ? Partials::doubles(rows, segment_count(cols)) : 0;
}

template <typename T>
void reparameterize_kl_forward(const ReparameterizeKlForward<T>& job, Stream stream) {
  constexpr const char* name = "reparameterize_kl_forward";
  if (job.rows == 0) return;
  const bool vectors = all_aligned(job.mu, job.logvar, job.eps, job.z);
  if (job.cols <= kShortRow) {
    const int width = row_width<T>(job.cols);
    const unsigned blocks = blocks_for(job.rows, kThreads / width);
    return launch(name, forward_rows<T>, blocks, stream, job, width, vectors);
  }
  const int64_t segments = segment_count(job.cols);
  const Partials partials = prepare_partials(job.partial, job.rows, segments, segments > 1, stream);
  const unsigned blocks = blocks_for(job.rows * segments, 1);
  launch(name, forward_segments<T>, blocks, stream, job, partials, segments, vectors);
}

template <typename T>
void reparameterize_kl_backward(const ReparameterizeKlBackward<T>& job, Stream stream) {
  const int64_t size = job.rows * job.cols;
  if (size == 0) return;
  const bool vectors =
      all_aligned(job.grad_z, job.mu, job.logvar, job.eps, job.grad_mu, job.grad_logvar);
  const unsigned blocks = blocks_for(pack_count<T>(size), kThreads);
  launch("reparameterize_kl_backward", backward<T>, blocks, stream, job, vectors);
}

#define GENBENCH_INSTANTIATE(T)                                                          \
  template void reparameterize_kl_forward<T>(const ReparameterizeKlForward<T>&, Stream); \
  template void reparameterize_kl_backward<T>(const ReparameterizeKlBackward<T>&, Stream);
GENBENCH_FOR_EACH_TYPE(GENBENCH_INSTANTIATE)
#undef GENBENCH_INSTANTIATE

}  // namespace genbench::cuda
