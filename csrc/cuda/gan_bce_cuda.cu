// The CUDA kernels of csrc/gan_bce.h.
#include "../gan_bce.h"

#include "../math/gan_bce.h"
#include "draw.cuh"
#include "reduce.cuh"
#include "rows.cuh"

namespace genbench::cuda {
namespace {

constexpr int64_t kFewSegments = 4;  // one block is done with them before a second would start

// The targets of a pack: given, drawn or one number; flipped by chance.
template <typename T, typename C = compute_t<T>>
__device__ void read_targets(const GanBceForward<T>& job, const GanBceSide<T>& side, Seed seed,
                             const Span& span, C (&target)[kPack<T>]) {
  const C low = static_cast<C>(side.low), width = static_cast<C>(side.high - side.low);
  if (side.target != nullptr) {
    load_pack(side.target, span, target);
  } else {
    if (side.low < side.high) draw_pack<UniformLaw>(seed, side.stream, span.begin, target);
#pragma unroll
    for (int i = 0; i < kPack<T>; ++i) {
      target[i] = side.low < side.high ? low + width * target[i] : low;
    }
  }
  if (job.flips == 0) return;
  uint32_t word[kPack<T>];
  draw_pack<WordLaw>(seed, side.stream + 1, span.begin, word);
#pragma unroll
  for (int i = 0; i < kPack<T>; ++i) {
    target[i] = word[i] < job.flips ? C(1) - target[i] : target[i];
  }
}

// This thread's share of the loss of the elements [low, high), and their slopes.
template <typename T, typename C = compute_t<T>>
__device__ double side_terms(const GanBceForward<T>& job, const GanBceSide<T>& side, Seed seed,
                             int64_t low, int64_t high, bool vectors) {
  C sum = 0;
  const C weight = static_cast<C>(side.weight);
  const int64_t step = static_cast<int64_t>(kThreads) * kPack<T>;
  for (int64_t begin = low + threadIdx.x * kPack<T>; begin < high; begin += step) {
    const Span span = span_of<T>(begin, low, high, vectors);
    C logit[kPack<T>], target[kPack<T>] = {};
    load_pack(side.logits, span, logit);
    read_targets(job, side, seed, span, target);
#pragma unroll
    for (int i = 0; i < kPack<T>; ++i) {
      const Bce<C> out = bce(logit[i], target[i]);
      if (i < span.last) sum += out.loss;
      target[i] = weight * out.slope;
    }
    if (side.slope != nullptr) store_pack(target, span, side.slope);
  }
  return sum;
}

// Segments of the first side, then of the second; the last block adds up.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    forward(GanBceForward<T> job, Partials partials, bool draws, bool vectors) {
  const Seed seed = draws ? job.seed.read() : Seed{};
  const int64_t of_first = segment_count(job.side[0].count);
  const int64_t of_second = segment_count(job.side[1].count);
  for (int64_t segment = blockIdx.x; segment < of_first + of_second; segment += gridDim.x) {
    const bool first = segment < of_first;
    const GanBceSide<T>& side = first ? job.side[0] : job.side[1];
    const int64_t low = (first ? segment : segment - of_first) * kSegment;
    const int64_t high = low + kSegment < side.count ? low + kSegment : side.count;
    const double sum = block_sum(side_terms(job, side, seed, low, high, vectors));
    if (threadIdx.x == 0) partials.sum[segment] = sum;
  }
  if (!is_last(partials.ticket, gridDim.x)) return;
  const double first = sum_partials(partials.sum, of_first);
  const double second = sum_partials(partials.sum + of_first, of_second);
  if (threadIdx.x != 0) return;
  double loss = 0;
  if (of_first > 0) loss += job.side[0].weight * first / static_cast<double>(job.side[0].count);
  if (of_second > 0) loss += job.side[1].weight * second / static_cast<double>(job.side[1].count);
  *job.loss = static_cast<compute_t<T>>(loss);
}

template <typename T>
__global__ void __launch_bounds__(kThreads) backward(GanBceBackward<T> job, bool vectors) {
  using C = compute_t<T>;
  const double grad = static_cast<double>(*job.grad_loss);
  const C of_first = static_cast<C>(grad / static_cast<double>(job.side[0].count));
  const C of_second = static_cast<C>(grad / static_cast<double>(job.side[1].count));
  const int64_t first_packs = pack_count<T>(job.side[0].count);
  const int64_t packs = first_packs + pack_count<T>(job.side[1].count);
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t pack = first_thread(); pack < packs; pack += step) {
    const bool first = pack < first_packs;
    const GanBceBackwardSide<T> side = first ? job.side[0] : job.side[1];
    const int64_t begin = (first ? pack : pack - first_packs) * kPack<T>;
    const Span span = span_of<T>(begin, 0, side.count, vectors);
    C slope[kPack<T>];
    load_pack(side.slope, span, slope);
#pragma unroll
    for (int i = 0; i < kPack<T>; ++i) slope[i] *= first ? of_first : of_second;
    store_pack(slope, span, side.gradient);
  }
}

template <typename Job>
int64_t segments_of(const Job& job) {
  return segment_count(job.side[0].count) + segment_count(job.side[1].count);
}

template <typename T>
bool draws(const GanBceForward<T>& job, const GanBceSide<T>& side) {
  return job.flips > 0 || (side.target == nullptr && side.low < side.high);
}

}  // namespace

int64_t gan_bce_partials(int64_t real_count, int64_t fake_count) {
  return Partials::doubles(1, segment_count(real_count) + segment_count(fake_count));
}

template <typename T>
void gan_bce_forward(const GanBceForward<T>& job, Stream stream) {
  const int64_t segments = segments_of(job);
  if (segments == 0) return;
  const auto& [real, fake] = job.side;
  const unsigned blocks = segments <= kFewSegments ? 1 : blocks_for(segments, 1);
  const Partials partials = prepare_partials(job.partial, 1, segments, blocks > 1, stream);
  const bool vectors =
      all_aligned(real.logits, real.target, real.slope, fake.logits, fake.target, fake.slope);
  launch("gan_bce_forward", forward<T>, blocks, stream, job, partials,
         draws(job, real) || draws(job, fake), vectors);
}

template <typename T>
void gan_bce_backward(const GanBceBackward<T>& job, Stream stream) {
  const auto& [real, fake] = job.side;
  const int64_t packs = pack_count<T>(real.count) + pack_count<T>(fake.count);
  if (packs == 0) return;
  launch("gan_bce_backward", backward<T>, blocks_for(packs, kThreads), stream, job,
         all_aligned(real.slope, real.gradient, fake.slope, fake.gradient));
}

#define GENBENCH_INSTANTIATE(T)                                      \
  template void gan_bce_forward<T>(const GanBceForward<T>&, Stream); \
  template void gan_bce_backward<T>(const GanBceBackward<T>&, Stream);
GENBENCH_FOR_EACH_TYPE(GENBENCH_INSTANTIATE)
#undef GENBENCH_INSTANTIATE

}  // namespace genbench::cuda
