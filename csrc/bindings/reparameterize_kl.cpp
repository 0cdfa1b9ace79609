// torch.ops.genbench.reparameterize_kl_forward and reparameterize_kl_backward.
#include "../reparameterize_kl.h"

#include <tuple>

#include "tensors.h"

namespace genbench::bindings {
namespace {

// Inputs in row-major order, the batch in dimension 0, and where the noise comes from.
struct Inputs {
  Tensor mu, logvar;
  OptionalTensor eps, seed;
  int64_t rows, cols;
};

Inputs read_inputs(const Tensor& mu, const Tensor& logvar, const OptionalTensor& eps,
                   const OptionalTensor& seed, const char* op) {
  check_batch(mu, op, "mu");
  check_like(logvar, "logvar", mu, "mu", op);
  check(eps.has_value() != seed.has_value(), op, ": give one of eps and seed");
  if (eps) check_like(*eps, "eps", mu, "mu", op);
  return {dense(mu),  dense(logvar),  dense(eps), dense_seed(seed, mu, "mu", op),
          mu.size(0), sample_size(mu)};
}

// Memory for the sums of long rows' parts, where the device's kernels ask for some.
OptionalTensor new_partials(const Inputs& in) {
  int64_t count = in.cols > cpu::kChunk ? in.rows * cpu::chunk_count(in.cols) : 0;
  if constexpr (kCuda) {
    if (in.mu.is_cuda()) count = cuda::reparameterize_kl_partials(in.rows, in.cols);
  }
  if (count == 0) return {};
  return new_dense(in.mu, {count}, ScalarType::Double);
}

template <typename T>
void run_forward(const Inputs& in, const Tensor& z, const Tensor& kl) {
  const OptionalTensor partial = new_partials(in);
  const ReparameterizeKlForward<T> job{read<T>(in.mu),
                                       read<T>(in.logvar),
                                       read<T>(in.eps),
                                       seed_words(in.seed),
                                       in.rows,
                                       in.cols,
                                       write<T>(z),
                                       write<compute_t<T>>(kl),
                                       partial ? write<double>(*partial) : nullptr};
  run_on(
      in.mu, [&](auto stream) { cuda::reparameterize_kl_forward(job, stream); },
      [&] {
        in_parallel(cpu::row_steps(in.rows, in.cols), [&](int64_t begin, int64_t end) {
          cpu::reparameterize_kl_forward(job, begin, end);
        });
        if (partial) cpu::reparameterize_kl_finish(job);
      });
}

std::tuple<Tensor, Tensor> forward(const Tensor& mu, const Tensor& logvar,
                                   const OptionalTensor& eps, const OptionalTensor& seed) {
  constexpr const char* op = "genbench::reparameterize_kl_forward";
  const Inputs in = read_inputs(mu, logvar, eps, seed, op);
  const ScalarType type = mu.scalar_type();
  Tensor z = new_dense(in.mu);
  Tensor kl = new_dense(in.mu, {in.rows}, compute_type(type));
  with_storage(type, op, [&](auto* storage) {
    run_forward<std::remove_pointer_t<decltype(storage)>>(in, z, kl);
  });
  return {z, kl};
}

template <typename T>
void run_backward(const Inputs& in, const OptionalTensor& grad_z, const OptionalTensor& grad_kl,
                  const Tensor& grad_mu, const Tensor& grad_logvar) {
  const ReparameterizeKlBackward<T> job{
      read<T>(grad_z),   read<compute_t<T>>(grad_kl), read<T>(in.mu), read<T>(in.logvar),
      read<T>(in.eps),   seed_words(in.seed),         in.rows,        in.cols,
      write<T>(grad_mu), write<T>(grad_logvar)};
  run_chunks(
      in.mu, [&](auto stream) { cuda::reparameterize_kl_backward(job, stream); },
      [&](int64_t begin, int64_t end) { cpu::reparameterize_kl_backward(job, begin, end); });
}

std::tuple<Tensor, Tensor> backward(const OptionalTensor& grad_z, const OptionalTensor& grad_kl,
                                    const Tensor& mu, const Tensor& logvar,
                                    const OptionalTensor& eps, const OptionalTensor& seed) {
  constexpr const char* op = "genbench::reparameterize_kl_backward";
  const Inputs in = read_inputs(mu, logvar, eps, seed, op);
  const ScalarType type = mu.scalar_type();
  if (grad_z) check_like(*grad_z, "grad_z", mu, "mu", op);
  if (grad_kl) {
    check_device(*grad_kl, "grad_kl", mu, "mu", op);
    check(grad_kl->dim() == 1 && grad_kl->size(0) == in.rows &&
              grad_kl->scalar_type() == compute_type(type),
          op, ": grad_kl must be like kl");
  }
  const OptionalTensor dense_z = dense(grad_z), dense_kl = dense(grad_kl);
  Tensor grad_mu = new_dense(in.mu), grad_logvar = new_dense(in.mu);
  with_storage(type, op, [&](auto* storage) {
    using T = std::remove_pointer_t<decltype(storage)>;
    run_backward<T>(in, dense_z, dense_kl, grad_mu, grad_logvar);
  });
  return {grad_mu, grad_logvar};
}

}  // namespace
}  // namespace genbench::bindings

STABLE_TORCH_LIBRARY_FRAGMENT(genbench, m) {
  // One of eps and seed is given.
  m.def(
      "reparameterize_kl_forward(Tensor mu, Tensor logvar, Tensor? eps, Tensor? seed)"
      " -> (Tensor z, Tensor kl)");
  m.def(
      "reparameterize_kl_backward(Tensor? grad_z, Tensor? grad_kl, Tensor mu, Tensor logvar,"
      " Tensor? eps, Tensor? seed) -> (Tensor grad_mu, Tensor grad_logvar)");
}

GENBENCH_LIBRARY_IMPL(m) {
  m.impl("reparameterize_kl_forward", TORCH_BOX(&genbench::bindings::forward));
  m.impl("reparameterize_kl_backward", TORCH_BOX(&genbench::bindings::backward));
}
