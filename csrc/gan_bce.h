// Cross-entropies of a GAN's logits through raw pointers; no torch. The formulas are in
// math/gan_bce.h.
#pragma once

#include "math/half.h"
#include "noise.h"

namespace genbench {

// One tensor of logits and where its targets come from.
template <typename T>
struct GanBceSide {
  const T* logits;  // [count]
  int64_t count;    // 0: the loss has no such side
  const T* target;  // [count], or null: low + (high - low) u, drawn where low < high
  double low, high;
  uint64_t stream;  // of u; that of the flips is the next one
  double weight;    // 1 or -1: the loss is the sum of weight * mean(bce)
  T* slope;         // [count] weight (sigmoid(x) - t), not divided by count; null: not wanted
};

template <typename T>
struct GanBceForward {
  GanBceSide<T> side[2];  // real and fake; each numbers its logits from the seed's first element
  SeedWords seed;         // read where something is drawn
  uint64_t flips;         // words below this flip t to 1 - t: 0 flips none, 2^32 all
  compute_t<T>* loss;     // [1], nats
  double* partial;        // [gan_bce_steps] on the CPU, else [gan_bce_partials]
};

template <typename T>
struct GanBceBackwardSide {
  const T* slope;  // [count], of the forward pass
  int64_t count;   // 0: nothing to do
  T* gradient;     // [count] slope * grad_loss / count
};

template <typename T>
struct GanBceBackward {
  const compute_t<T>* grad_loss;  // [1], in the memory of the device that computes
  GanBceBackwardSide<T> side[2];
};

namespace cpu {

// Chunks of both sides, the first side's first.
template <typename Job>
int64_t gan_bce_steps(const Job& job) {
  return chunk_count(job.side[0].count) + chunk_count(job.side[1].count);
}

// [begin, end): steps.
template <typename T>
void gan_bce_forward(const GanBceForward<T>& job, int64_t begin, int64_t end);

// Adds up `partial` into `loss`, after the whole forward range.
template <typename T>
void gan_bce_finish(const GanBceForward<T>& job);

// [begin, end): steps.
template <typename T>
void gan_bce_backward(const GanBceBackward<T>& job, int64_t begin, int64_t end);

}  // namespace cpu

namespace cuda {

// Doubles that `partial` must hold for sides of so many logits.
int64_t gan_bce_partials(int64_t real_count, int64_t fake_count);

// Queue their kernels on `stream` of the current device and wait for nothing.
template <typename T>
void gan_bce_forward(const GanBceForward<T>& job, Stream stream);

template <typename T>
void gan_bce_backward(const GanBceBackward<T>& job, Stream stream);

}  // namespace cuda
}  // namespace genbench
