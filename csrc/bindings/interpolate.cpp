// torch.ops.genbench.interpolate and interpolate_backward.
#include "../interpolate.h"

#include "tensors.h"

namespace genbench::bindings {
namespace {

// Where the alpha of each sample comes from: a tensor, a number, or a seed to draw it from.
struct Alpha {
  OptionalTensor tensor, seed;
  Coefficient value;
};

Alpha read_alpha(const OptionalTensor& alpha, double number, const OptionalTensor& seed,
                 const Tensor& x, const char* op) {
  check(!alpha || !seed, op, ": give one of alpha and seed");
  const OptionalTensor tensor = dense(alpha);
  return {tensor, dense_seed(seed, x, "x", op), coefficient(tensor, number, x, op, "alpha")};
}

Tensor interpolate(const Tensor& real, const Tensor& fake, const OptionalTensor& alpha,
                   double alpha_number, const OptionalTensor& seed) {
  constexpr const char* op = "genbench::interpolate";
  check_batch(real, op, "real");
  check_like(fake, "fake", real, "real", op);
  const Alpha weight = read_alpha(alpha, alpha_number, seed, real, op);
  const Tensor dense_real = dense(real), dense_fake = dense(fake);
  Tensor out = new_dense(dense_real);
  with_storage(real.scalar_type(), op, [&](auto* storage) {
    using T = std::remove_pointer_t<decltype(storage)>;
    const Interpolate<T> job{
        read<T>(dense_real), read<T>(dense_fake), weight.value, seed_words(weight.seed),
        real.size(0),        sample_size(real),   write<T>(out)};
    run_chunks(
        out, [&](auto stream) { cuda::interpolate(job, stream); },
        [&](int64_t begin, int64_t end) { cpu::interpolate(job, begin, end); });
  });
  return out;
}

std::vector<Tensor> interpolate_backward(const Tensor& grad, const OptionalTensor& alpha,
                                         double alpha_number, const OptionalTensor& seed,
                                         bool need_real, bool need_fake) {
  constexpr const char* op = "genbench::interpolate_backward";
  check_batch(grad, op, "grad");
  const Alpha weight = read_alpha(alpha, alpha_number, seed, grad, op);
  const Tensor dense_grad = dense(grad);
  Gradients grads{dense_grad};
  with_storage(grad.scalar_type(), op, [&](auto* storage) {
    using T = std::remove_pointer_t<decltype(storage)>;
    const InterpolateBackward<T> job{read<T>(dense_grad),     weight.value,
                                     seed_words(weight.seed), grad.size(0),
                                     sample_size(grad),       grads.add<T>(need_real),
                                     grads.add<T>(need_fake)};
    run_chunks(
        grad, [&](auto stream) { cuda::interpolate_backward(job, stream); },
        [&](int64_t begin, int64_t end) { cpu::interpolate_backward(job, begin, end); });
  });
  return grads.needed;
}

}  // namespace
}  // namespace genbench::bindings

STABLE_TORCH_LIBRARY_FRAGMENT(genbench, m) {
  // alpha or its number, or a seed to draw one alpha a sample from.
  m.def(
      "interpolate(Tensor real, Tensor fake, Tensor? alpha, float alpha_number, Tensor? seed)"
      " -> Tensor");
  // The gradients asked for, in order.
  m.def(
      "interpolate_backward(Tensor grad, Tensor? alpha, float alpha_number, Tensor? seed,"
      " bool need_real, bool need_fake) -> Tensor[]");
}

GENBENCH_LIBRARY_IMPL(m) {
  m.impl("interpolate", TORCH_BOX(&genbench::bindings::interpolate));
  m.impl("interpolate_backward", TORCH_BOX(&genbench::bindings::interpolate_backward));
}
