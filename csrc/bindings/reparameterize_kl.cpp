// torch.ops.genbench.reparameterize_kl_forward and reparameterize_kl_backward.
#include "../reparameterize_kl.h"

#include <optional>
#include <tuple>

#include "tensors.h"

namespace genbench::bindings {
namespace {

using OptionalTensor = std::optional<Tensor>;

void check_like(const Tensor& tensor, const Tensor& mu, const char* op, const char* name) {
  check(tensor.is_cpu(), op, ": ", name, " must be on the CPU");
  check(tensor.scalar_type() == mu.scalar_type(), op, ": ", name, " must have mu's dtype");
  const auto shape = tensor.sizes(), wanted = mu.sizes();
  bool same = shape.size() == wanted.size();
  for (size_t i = 0; same && i < wanted.size(); ++i) same = shape[i] == wanted[i];
  check(same, op, ": ", name, " must have mu's shape");
}

// Inputs in row-major order, the batch in dimension 0, and where the noise comes from.
struct Inputs {
  Tensor mu, logvar;
  OptionalTensor eps;
  Seed seed;
  int64_t rows, cols;
};

Inputs read_inputs(const Tensor& mu, const Tensor& logvar, const OptionalTensor& eps,
                   const OptionalTensor& seed, const char* op) {
  check(mu.is_cpu(), op, ": mu must be on the CPU");
  check(mu.dim() >= 1, op, ": mu must have at least one dimension, the batch");
  check_like(logvar, mu, op, "logvar");
  check(eps.has_value() != seed.has_value(), op, ": give one of eps and seed");
  Inputs in{
      torch::stable::contiguous(mu), torch::stable::contiguous(logvar), {}, {}, mu.size(0), 1};
  if (eps) {
    check_like(*eps, mu, op, "eps");
    in.eps = torch::stable::contiguous(*eps);
  } else {
    in.seed = read_seed(*seed, op);
  }
  for (int64_t i = 1; i < mu.dim(); ++i) in.cols *= mu.size(i);
  return in;
}

template <typename T>
const T* read(const OptionalTensor& tensor) {
  return tensor ? bindings::read<T>(*tensor) : nullptr;
}

Tensor dense_like(const Tensor& tensor) { return torch::stable::new_empty(tensor, tensor.sizes()); }

template <typename T>
void run_forward(const Inputs& in, const Tensor& z, const Tensor& kl) {
  OptionalTensor partial;
  if (in.cols > cpu::kChunk) {
    partial =
        torch::stable::new_empty(in.mu, {in.rows, cpu::chunk_count(in.cols)}, ScalarType::Double);
  }
  const ReparameterizeKlForward<T> job{read<T>(in.mu),
                                       read<T>(in.logvar),
                                       read<T>(in.eps),
                                       in.seed,
                                       in.rows,
                                       in.cols,
                                       write<T>(z),
                                       write<compute_t<T>>(kl),
                                       partial ? write<double>(*partial) : nullptr};
  torch::stable::parallel_for(
      0, cpu::forward_steps(in.rows, in.cols), kGrain,
      [&](int64_t begin, int64_t end) { cpu::reparameterize_kl_forward(job, begin, end); });
  if (partial) cpu::reparameterize_kl_finish(job);
}

std::tuple<Tensor, Tensor> forward(const Tensor& mu, const Tensor& logvar,
                                   const OptionalTensor& eps, const OptionalTensor& seed) {
  constexpr const char* op = "genbench::reparameterize_kl_forward";
  const Inputs in = read_inputs(mu, logvar, eps, seed, op);
  const ScalarType type = mu.scalar_type();
  Tensor z = dense_like(in.mu);
  Tensor kl = torch::stable::new_empty(in.mu, {in.rows}, compute_type(type));
  with_storage(type, op, [&](auto* storage) {
    run_forward<std::remove_pointer_t<decltype(storage)>>(in, z, kl);
  });
  return {z, kl};
}

template <typename T>
void run_backward(const Inputs& in, const OptionalTensor& grad_z, const OptionalTensor& grad_kl,
                  const Tensor& grad_mu, const Tensor& grad_logvar) {
  const ReparameterizeKlBackward<T> job{read<T>(grad_z),   read<compute_t<T>>(grad_kl),
                                        read<T>(in.mu),    read<T>(in.logvar),
                                        read<T>(in.eps),   in.seed,
                                        in.rows,           in.cols,
                                        write<T>(grad_mu), write<T>(grad_logvar)};
  torch::stable::parallel_for(
      0, cpu::chunk_count(in.rows * in.cols), kGrain,
      [&](int64_t begin, int64_t end) { cpu::reparameterize_kl_backward(job, begin, end); });
}

std::tuple<Tensor, Tensor> backward(const OptionalTensor& grad_z, const OptionalTensor& grad_kl,
                                    const Tensor& mu, const Tensor& logvar,
                                    const OptionalTensor& eps, const OptionalTensor& seed) {
  constexpr const char* op = "genbench::reparameterize_kl_backward";
  const Inputs in = read_inputs(mu, logvar, eps, seed, op);
  const ScalarType type = mu.scalar_type();
  OptionalTensor dense_z, dense_kl;
  if (grad_z) {
    check_like(*grad_z, mu, op, "grad_z");
    dense_z = torch::stable::contiguous(*grad_z);
  }
  if (grad_kl) {
    check(grad_kl->is_cpu() && grad_kl->dim() == 1 && grad_kl->size(0) == in.rows &&
              grad_kl->scalar_type() == compute_type(type),
          op, ": grad_kl must be like kl");
    dense_kl = torch::stable::contiguous(*grad_kl);
  }
  Tensor grad_mu = dense_like(in.mu), grad_logvar = dense_like(in.mu);
  with_storage(type, op, [&](auto* storage) {
    using T = std::remove_pointer_t<decltype(storage)>;
    run_backward<T>(in, dense_z, dense_kl, grad_mu, grad_logvar);
  });
  return {grad_mu, grad_logvar};
}

}  // namespace
}  // namespace genbench::bindings

STABLE_TORCH_LIBRARY_IMPL(genbench, CPU, m) {
  m.impl("reparameterize_kl_forward", TORCH_BOX(&genbench::bindings::forward));
  m.impl("reparameterize_kl_backward", TORCH_BOX(&genbench::bindings::backward));
}
