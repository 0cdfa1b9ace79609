// The gan_bce kernels, included once by the source of each instruction set; no std:: templates,
// of which the linker may keep a copy that the machine cannot run.
#pragma once

#include "../gan_bce.h"
#include "../math/gan_bce.h"
#include "chunk.h"
#include "dispatch.h"
#include "draw.h"

namespace genbench::cpu::GENBENCH_SET {

// Where a step's chunk lies: which side, its first element, its length.
struct SideChunk {
  int side;
  int64_t at, count;
};

template <typename Job>
SideChunk side_chunk(const Job& job, int64_t step) {
  const int64_t first = chunk_count(job.side[0].count);
  const int side = step < first ? 0 : 1;
  const int64_t at = (side == 0 ? step : step - first) * kChunk;
  const int64_t left = job.side[side].count - at;
  return {side, at, left < kChunk ? left : kChunk};
}

template <typename C>
struct BceBuffers {
  alignas(64) C noise[kNoise];
  alignas(64) C logit[kChunk];   // then its term of the loss
  alignas(64) C target[kChunk];  // then the slope
  alignas(64) uint32_t word[kNoise];
};

template <typename C>
void flip(const uint32_t* __restrict word, uint32_t last, int64_t count, C* __restrict target) {
  for (int64_t i = 0; i < padded(count); ++i) {
    target[i] = word[i] <= last ? C(1) - target[i] : target[i];
  }
}

// The targets of a chunk: given, drawn or one number; flipped by chance.
template <typename T, typename C = compute_t<T>>
void read_targets(const GanBceForward<T>& job, const SideChunk& chunk, BceBuffers<C>& buffers) {
  const GanBceSide<T>& side = job.side[chunk.side];
  const int64_t count = padded(chunk.count);
  const C low = static_cast<C>(side.low), span = static_cast<C>(side.high - side.low);
  C* __restrict target = buffers.target;
  if (side.target != nullptr) {
    read_chunk(side.target + chunk.at, chunk.count, target);
  } else if (side.low < side.high) {
    const C* __restrict u =
        draw_chunk<UniformLaw>(job.seed.read(), side.stream, chunk.at, count, buffers.noise);
    for (int64_t i = 0; i < count; ++i) target[i] = low + span * u[i];
  } else {
    for (int64_t i = 0; i < count; ++i) target[i] = low;
  }
  if (job.flips == 0) return;
  const uint32_t* word =
      draw_chunk<WordLaw>(job.seed.read(), side.stream + 1, chunk.at, count, buffers.word);
  flip(word, static_cast<uint32_t>(job.flips - 1), count, target);
}

// In place: the logit becomes its term, the target its slope.
template <typename C, bool slopes>
void bce_chunk(C weight, int64_t count, C* __restrict logit, C* __restrict target) {
  for (int64_t start = 0; start < count; start += kWide) {
    for (int64_t i = start; i < start + kWide; ++i) {
      const Bce<C> out = bce<C>(logit[i], target[i]);
      logit[i] = out.loss;
      if (slopes) target[i] = weight * out.slope;
    }
  }
}

// The same where every target is 0 (sign 1) or 1 (sign -1): half the arithmetic.
template <typename C, bool slopes>
void certain_chunk(C sign, C weight, int64_t count, C* __restrict logit, C* __restrict slope) {
  weight *= sign;
  for (int64_t start = 0; start < count; start += kWide) {
    for (int64_t i = start; i < start + kWide; ++i) {
      const Bce<C> out = bce_of_fake<C>(sign * logit[i]);
      logit[i] = out.loss;
      if (slopes) slope[i] = weight * out.slope;
    }
  }
}

// Whether the targets of a side are all 0 or all 1.
template <typename T>
bool certain(const GanBceForward<T>& job, const GanBceSide<T>& side) {
  return side.target == nullptr && job.flips == 0 && side.low == side.high &&
         (side.low == 0 || side.low == 1);
}

template <typename T, bool slopes, typename C = compute_t<T>>
void side_terms(const GanBceForward<T>& job, const SideChunk& chunk, BceBuffers<C>& buffers) {
  const GanBceSide<T>& side = job.side[chunk.side];
  const C weight = static_cast<C>(side.weight);
  read_chunk(side.logits + chunk.at, chunk.count, buffers.logit);
  if (certain(job, side)) {
    const C sign = side.low == 1 ? C(-1) : C(1);
    certain_chunk<C, slopes>(sign, weight, chunk.count, buffers.logit, buffers.target);
  } else {
    read_targets(job, chunk, buffers);
    bce_chunk<C, slopes>(weight, chunk.count, buffers.logit, buffers.target);
  }
  if (slopes) write_chunk(buffers.target, chunk.count, side.slope + chunk.at);
}

template <typename T>
void gan_bce_forward(const GanBceForward<T>& job, int64_t begin, int64_t end) {
  using C = compute_t<T>;
  BceBuffers<C> buffers;
  for (int64_t step = begin; step < end; ++step) {
    const SideChunk chunk = side_chunk(job, step);
    if (job.side[chunk.side].slope != nullptr) {
      side_terms<T, true>(job, chunk, buffers);
    } else {
      side_terms<T, false>(job, chunk, buffers);
    }
    job.partial[step] = sum<C, double>(buffers.logit, chunk.count);
  }
}

template <typename T>
void gan_bce_backward(const GanBceBackward<T>& job, int64_t begin, int64_t end) {
  using C = compute_t<T>;
  for (int64_t step = begin; step < end; ++step) {
    const SideChunk chunk = side_chunk(job, step);
    const GanBceBackwardSide<T>& side = job.side[chunk.side];
    const double of_mean = static_cast<double>(*job.grad_loss) / static_cast<double>(side.count);
    const C scale = static_cast<C>(of_mean);
    const T* __restrict slope = side.slope + chunk.at;
    T* __restrict gradient = side.gradient + chunk.at;
    for (int64_t i = 0; i < chunk.count; ++i) store(gradient + i, scale * load(slope + i));
  }
}

#define GENBENCH_INSTANTIATE(T)                                                \
  template void gan_bce_forward<T>(const GanBceForward<T>&, int64_t, int64_t); \
  template void gan_bce_backward<T>(const GanBceBackward<T>&, int64_t, int64_t);
GENBENCH_FOR_EACH_TYPE(GENBENCH_INSTANTIATE)
#undef GENBENCH_INSTANTIATE

}  // namespace genbench::cpu::GENBENCH_SET
