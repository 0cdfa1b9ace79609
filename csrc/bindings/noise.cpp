// torch.ops.genbench.uniform and normal.
#include "tensors.h"

namespace genbench::bindings {
namespace {

template <typename Kernels>
Tensor draw(const char* op, const Tensor& seed, torch::headeronly::IntHeaderOnlyArrayRef size,
            int64_t stream, ScalarType dtype) {
  const Tensor words = dense_seed(seed, op);
  Tensor out = new_dense(seed, {size.begin(), size.end()}, dtype);
  with_storage(dtype, op, [&](auto* storage) {
    using T = std::remove_pointer_t<decltype(storage)>;
    const Noise<T> noise{seed_words(words), static_cast<uint64_t>(stream), write<T>(out),
                         out.numel()};
    run_chunks(
        out, [&](auto stream) { Kernels::launch(noise, stream); },
        [&](int64_t begin, int64_t end) { Kernels::run(noise, begin, end); });
  });
  return out;
}

struct Uniform {
  template <typename T>
  static void run(const Noise<T>& noise, int64_t begin, int64_t end) {
    cpu::uniform(noise, begin, end);
  }
  template <typename T>
  static void launch(const Noise<T>& noise, cuda::Stream stream) {
    cuda::uniform(noise, stream);
  }
};

struct Normal {
  template <typename T>
  static void run(const Noise<T>& noise, int64_t begin, int64_t end) {
    cpu::normal(noise, begin, end);
  }
  template <typename T>
  static void launch(const Noise<T>& noise, cuda::Stream stream) {
    cuda::normal(noise, stream);
  }
};

Tensor uniform(const Tensor& seed, torch::headeronly::IntHeaderOnlyArrayRef size, int64_t stream,
               ScalarType dtype) {
  return draw<Uniform>("genbench::uniform", seed, size, stream, dtype);
}

Tensor normal(const Tensor& seed, torch::headeronly::IntHeaderOnlyArrayRef size, int64_t stream,
              ScalarType dtype) {
  return draw<Normal>("genbench::normal", seed, size, stream, dtype);
}

}  // namespace
}  // namespace genbench::bindings

STABLE_TORCH_LIBRARY_FRAGMENT(genbench, m) {
  // seed: int64 (1,) [key] or (2,) [key, first element].
  m.def("uniform(Tensor seed, SymInt[] size, int stream, ScalarType dtype) -> Tensor");
  m.def("normal(Tensor seed, SymInt[] size, int stream, ScalarType dtype) -> Tensor");
}

GENBENCH_LIBRARY_IMPL(m) {
  m.impl("uniform", TORCH_BOX(&genbench::bindings::uniform));
  m.impl("normal", TORCH_BOX(&genbench::bindings::normal));
}
