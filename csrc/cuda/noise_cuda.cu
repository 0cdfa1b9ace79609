// The CUDA kernels of csrc/noise.h.
#include "draw.cuh"
#include "launch.cuh"
#include "pack.cuh"

namespace genbench::cuda {
namespace {

template <typename Law, typename T>
__global__ void __launch_bounds__(kThreads) fill(Noise<T> noise, bool vectors) {
  using C = compute_t<T>;
  const Seed seed = noise.seed.read();
  const int64_t packs = pack_count<T>(noise.count);
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t pack = first_thread(); pack < packs; pack += step) {
    const Span span = span_of<T>(pack * kPack<T>, 0, noise.count, vectors);
    C drawn[kPack<T>];
    draw_pack<Law>(seed, noise.stream, span.begin, drawn);
    store_pack(drawn, span, noise.out);
  }
}

template <typename Law, typename T>
void launch_fill(const char* name, const Noise<T>& noise, Stream stream) {
  if (noise.count == 0) return;
  const unsigned blocks = blocks_for(pack_count<T>(noise.count), kThreads);
  launch(name, fill<Law, T>, blocks, stream, noise, all_aligned(noise.out));
}

}  // namespace

template <typename T>
void uniform(const Noise<T>& noise, Stream stream) {
  launch_fill<UniformLaw>("uniform", noise, stream);
}

template <typename T>
void normal(const Noise<T>& noise, Stream stream) {
  launch_fill<NormalLaw>("normal", noise, stream);
}

#define GENBENCH_INSTANTIATE(T)                      \
  template void uniform<T>(const Noise<T>&, Stream); \
  template void normal<T>(const Noise<T>&, Stream);
GENBENCH_FOR_EACH_TYPE(GENBENCH_INSTANTIATE)
#undef GENBENCH_INSTANTIATE

}  // namespace genbench::cuda
