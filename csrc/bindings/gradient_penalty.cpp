// torch.ops.genbench.gradient_norm_penalty_forward and gradient_norm_penalty_backward.
#include "../gradient_penalty.h"

#include <tuple>

#include "tensors.h"

namespace genbench::bindings {
namespace {

void check_gradients(const Tensor& gradients, const char* op) {
  check_batch(gradients, op, "gradients");
  check_not_empty(gradients, op, "gradients");
}

template <typename T>
void run_on_cpu(GradientPenaltyForward<T> job) {
  const int64_t steps = cpu::row_steps(job.rows, job.cols);
  with_partials(steps, [&](double* partial) {
    job.partial = partial;
    in_parallel(
        steps, [&](int64_t begin, int64_t end) { cpu::gradient_penalty_forward(job, begin, end); });
    cpu::gradient_penalty_finish(job);
  });
}

template <typename T>
void run_forward(GradientPenaltyForward<T> job, const Tensor& like) {
  run_on(
      like,
      [&](auto stream) {
        const int64_t count = cuda::gradient_penalty_partials<T>(job.rows, job.cols);
        const Tensor partial = new_dense(like, {count}, ScalarType::Double);
        job.partial = write<double>(partial);
        cuda::gradient_penalty_forward(job, stream);
      },
      [&] { run_on_cpu(job); });
}

std::tuple<Tensor, Tensor> forward(const Tensor& gradients, double center, bool one_sided,
                                   bool slopes) {
  constexpr const char* op = "genbench::gradient_norm_penalty_forward";
  check_gradients(gradients, op);
  check(center >= 0, op, ": center must be at least 0, got ", center);
  const ScalarType type = gradients.scalar_type();
  const Tensor g = dense(gradients);
  const int64_t rows = g.size(0);
  const Tensor penalty = new_dense(g, {}, compute_type(type));
  const Tensor slope = new_dense(g, {slopes ? rows : 0}, ScalarType::Double);
  with_storage(type, op, [&](auto* storage) {
    using T = std::remove_pointer_t<decltype(storage)>;
    const GradientPenaltyForward<T> job{read<T>(g),
                                        rows,
                                        sample_size(g),
                                        {center, one_sided},
                                        write<compute_t<T>>(penalty),
                                        slopes ? write<double>(slope) : nullptr,
                                        nullptr};
    run_forward(job, g);
  });
  return {penalty, slope};
}

Tensor backward(const Tensor& grad_penalty, const Tensor& gradients, const Tensor& slope) {
  constexpr const char* op = "genbench::gradient_norm_penalty_backward";
  check_gradients(gradients, op);
  const ScalarType type = gradients.scalar_type();
  check_device(grad_penalty, "grad_penalty", gradients, "gradients", op);
  check(grad_penalty.dim() == 0 && grad_penalty.scalar_type() == compute_type(type), op,
        ": grad_penalty must be like the penalty");
  check_device(slope, "slope", gradients, "gradients", op);
  check(slope.dim() == 1 && slope.size(0) == gradients.size(0) &&
            slope.scalar_type() == ScalarType::Double,
        op, ": slope must be float64 of shape (batch,)");
  const Tensor g = dense(gradients), of_row = dense(slope);
  Tensor out = new_dense(g);
  with_storage(type, op, [&](auto* storage) {
    using T = std::remove_pointer_t<decltype(storage)>;
    const GradientPenaltyBackward<T> job{read<compute_t<T>>(grad_penalty),
                                         read<T>(g),
                                         read<double>(of_row),
                                         g.size(0),
                                         sample_size(g),
                                         write<T>(out)};
    run_chunks(
        g, [&](auto stream) { cuda::gradient_penalty_backward(job, stream); },
        [&](int64_t begin, int64_t end) { cpu::gradient_penalty_backward(job, begin, end); });
  });
  return out;
}

}  // namespace
}  // namespace genbench::bindings

STABLE_TORCH_LIBRARY_FRAGMENT(genbench, m) {
  // slope (B,) float64: the penalty's derivative is slope * gradients / B; empty where not wanted.
  m.def(
      "gradient_norm_penalty_forward(Tensor gradients, float center, bool one_sided, bool slopes)"
      " -> (Tensor penalty, Tensor slope)");
  m.def(
      "gradient_norm_penalty_backward(Tensor grad_penalty, Tensor gradients, Tensor slope)"
      " -> Tensor");
}

GENBENCH_LIBRARY_IMPL(m) {
  m.impl("gradient_norm_penalty_forward", TORCH_BOX(&genbench::bindings::forward));
  m.impl("gradient_norm_penalty_backward", TORCH_BOX(&genbench::bindings::backward));
}
