// The reparameterize_kl kernels, included once by the source of each instruction set; no std::
// templates, of which the linker may keep a copy that the machine cannot run.
#pragma once

#include "../math/reparameterize_kl.h"
#include "../reparameterize_kl.h"
#include "chunk.h"
#include "dispatch.h"
#include "draw.h"

namespace genbench::cpu::GENBENCH_SET {

// eps of the elements [begin, begin + count): what the caller gave, or drawn from the seed.
template <typename T, typename C = compute_t<T>>
const C* read_eps(const T* eps, SeedWords seed, int64_t begin, int64_t count, C (&buffer)[kNoise]) {
  if (eps == nullptr) return draw_chunk<NormalLaw>(seed.read(), 0, begin, padded(count), buffer);
  read_chunk(eps + begin, count, buffer);
  return buffer;
}

// In place: mu becomes z, logvar the KL terms.
template <typename C>
void forward_chunk(const C* __restrict eps, int64_t count, C* __restrict mu, C* __restrict logvar) {
  for (int64_t start = 0; start < count; start += kWide) {
    for (int64_t i = start; i < start + kWide; ++i) {
      const Latent<C> out = latent<C>(mu[i], logvar[i], eps[i]);
      mu[i] = out.z;
      logvar[i] = out.kl;
    }
  }
}

template <typename C>
struct ForwardBuffers {
  alignas(64) C noise[kNoise];
  alignas(64) C mu[kChunk];
  alignas(64) C term[kChunk];  // logvar, then its KL term
};

// z of the elements [begin, begin + count), count <= kChunk, and their KL terms.
template <typename T, typename C = compute_t<T>>
void forward_terms(const ReparameterizeKlForward<T>& job, int64_t begin, int64_t count,
                   ForwardBuffers<C>& buffers) {
  const C* eps = read_eps(job.eps, job.seed, begin, count, buffers.noise);
  read_chunk(job.mu + begin, count, buffers.mu);
  read_chunk(job.logvar + begin, count, buffers.term);
  forward_chunk(eps, count, buffers.mu, buffers.term);
  write_chunk(buffers.mu, count, job.z + begin);
}

template <typename T>
void reparameterize_kl_forward(const ReparameterizeKlForward<T>& job, int64_t begin, int64_t end) {
  using C = compute_t<T>;
  ForwardBuffers<C> buffers;
  const int64_t chunks = chunk_count(job.cols), rows = rows_per_step(job.cols);
  for (int64_t step = begin; step < end; ++step) {
    if (job.cols > kChunk) {
      const int64_t row = step / chunks, at = step % chunks * kChunk;
      const int64_t count = job.cols - at < kChunk ? job.cols - at : kChunk;
      forward_terms(job, row * job.cols + at, count, buffers);
      job.partial[step] = sum(buffers.term, count);
      continue;
    }
    const int64_t first = step * rows;
    const int64_t last = first + rows < job.rows ? first + rows : job.rows;
    forward_terms(job, first * job.cols, (last - first) * job.cols, buffers);
    for (int64_t row = first; row < last; ++row) {
      job.kl[row] = sum(buffers.term + (row - first) * job.cols, job.cols);
    }
  }
}

// In place: mu becomes its slope, logvar too.
template <typename C, bool has_z, bool has_kl>
void backward_chunk(const C* __restrict eps, const C* __restrict grad_z,
                    const C* __restrict grad_kl, int64_t count, C* __restrict mu,
                    C* __restrict logvar) {
  for (int64_t start = 0; start < count; start += kWide) {
    for (int64_t i = start; i < start + kWide; ++i) {
      const LatentGradient<C> grad = {has_z ? grad_z[i] : C(0), has_kl ? grad_kl[i] : C(0), has_z,
                                      has_kl};
      const LatentSlopes<C> slopes =
          latent_slopes<C>(mu[i], logvar[i], has_z ? eps[i] : C(0), grad);
      mu[i] = slopes.mu;
      logvar[i] = slopes.logvar;
    }
  }
}

template <typename T, bool has_z, bool has_kl>
void backward(const ReparameterizeKlBackward<T>& job, int64_t begin, int64_t end) {
  using C = compute_t<T>;
  alignas(64) C noise[kNoise], mu[kChunk], logvar[kChunk], grad_z[kChunk], grad_kl[kSpread];
  const C* eps = noise;
  const int64_t size = job.rows * job.cols;
  for (int64_t chunk = begin; chunk < end; ++chunk) {
    const int64_t at = chunk * kChunk;
    const int64_t count = size - at < kChunk ? size - at : kChunk;
    read_chunk(job.mu + at, count, mu);
    read_chunk(job.logvar + at, count, logvar);
    if (has_z) read_chunk(job.grad_z + at, count, grad_z);
    if (has_z) eps = read_eps(job.eps, job.seed, at, count, noise);
    if (has_kl) spread_rows(job.grad_kl + at / job.cols, job.cols, at % job.cols, count, grad_kl);
    backward_chunk<C, has_z, has_kl>(eps, grad_z, grad_kl, count, mu, logvar);
    write_chunk(mu, count, job.grad_mu + at);
    write_chunk(logvar, count, job.grad_logvar + at);
  }
}

template <typename T>
void reparameterize_kl_backward(const ReparameterizeKlBackward<T>& job, int64_t begin,
                                int64_t end) {
  if (job.grad_z != nullptr && job.grad_kl != nullptr)
    return backward<T, true, true>(job, begin, end);
  if (job.grad_z != nullptr) return backward<T, true, false>(job, begin, end);
  if (job.grad_kl != nullptr) return backward<T, false, true>(job, begin, end);
  backward<T, false, false>(job, begin, end);
}

#define GENBENCH_INSTANTIATE(T)                                                                    \
  template void reparameterize_kl_forward<T>(const ReparameterizeKlForward<T>&, int64_t, int64_t); \
  template void reparameterize_kl_backward<T>(const ReparameterizeKlBackward<T>&, int64_t, int64_t);
GENBENCH_FOR_EACH_TYPE(GENBENCH_INSTANTIATE)
#undef GENBENCH_INSTANTIATE

}  // namespace genbench::cpu::GENBENCH_SET
