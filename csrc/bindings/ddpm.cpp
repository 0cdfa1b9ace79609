// torch.ops.genbench.ddpm_add_noise, ddpm_draw_noise and ddpm_step, and their gradients.
#include "../ddpm.h"

#include <tuple>

#include "tensors.h"

namespace genbench::bindings {
namespace {

// x_t of given noise, or of noise that it draws into `drawn`.
Tensor add_noise(const Tensor& x0, const OptionalTensor& noise, const OptionalTensor& seed,
                 const OptionalTensor& alpha_bar, double number, const OptionalTensor& drawn,
                 const char* op) {
  const OptionalTensor bars = dense(alpha_bar);
  const Coefficient bar = coefficient(bars, number, x0, op, "alpha_bar");
  const Tensor from = dense(x0);
  const OptionalTensor given = dense(noise);
  Tensor x_t = new_dense(from);
  with_storage(x0.scalar_type(), op, [&](auto* storage) {
    using T = std::remove_pointer_t<decltype(storage)>;
    const DdpmAddNoise<T> job{
        read<T>(from), read<T>(given),  seed_words(seed), bar,
        x0.size(0),    sample_size(x0), write<T>(x_t),    drawn ? write<T>(*drawn) : nullptr};
    run_chunks(
        x_t, [&](auto stream) { cuda::ddpm_add_noise(job, stream); },
        [&](int64_t begin, int64_t end) { cpu::ddpm_add_noise(job, begin, end); });
  });
  return x_t;
}

Tensor ddpm_add_noise(const Tensor& x0, const Tensor& noise, const OptionalTensor& alpha_bar,
                      double alpha_bar_number) {
  constexpr const char* op = "genbench::ddpm_add_noise";
  check_batch(x0, op, "x0");
  check_like(noise, "noise", x0, "x0", op);
  return add_noise(x0, noise, {}, alpha_bar, alpha_bar_number, {}, op);
}

std::tuple<Tensor, Tensor> ddpm_draw_noise(const Tensor& x0, const Tensor& seed,
                                           const OptionalTensor& alpha_bar,
                                           double alpha_bar_number) {
  constexpr const char* op = "genbench::ddpm_draw_noise";
  check_batch(x0, op, "x0");
  Tensor drawn = new_dense(x0);
  const Tensor x_t =
      add_noise(x0, {}, dense_seed(seed, x0, "x0", op), alpha_bar, alpha_bar_number, drawn, op);
  return {x_t, drawn};
}

std::vector<Tensor> ddpm_add_noise_backward(const Tensor& grad, const OptionalTensor& alpha_bar,
                                            double alpha_bar_number, bool need_x0,
                                            bool need_noise) {
  constexpr const char* op = "genbench::ddpm_add_noise_backward";
  check_batch(grad, op, "grad");
  const OptionalTensor bars = dense(alpha_bar);
  const Coefficient bar = coefficient(bars, alpha_bar_number, grad, op, "alpha_bar");
  const Tensor from = dense(grad);
  Gradients grads{from};
  with_storage(grad.scalar_type(), op, [&](auto* storage) {
    using T = std::remove_pointer_t<decltype(storage)>;
    const DdpmAddNoiseBackward<T> job{read<T>(from),         bar,
                                      grad.size(0),          sample_size(grad),
                                      grads.add<T>(need_x0), grads.add<T>(need_noise)};
    run_chunks(
        grad, [&](auto stream) { cuda::ddpm_add_noise_backward(job, stream); },
        [&](int64_t begin, int64_t end) { cpu::ddpm_add_noise_backward(job, begin, end); });
  });
  return grads.needed;
}

// The three coefficients of a step, and what keeps their memory.
struct Schedule {
  OptionalTensor kept[3];
  Coefficient alpha, alpha_bar, sigma;
};

Schedule read_schedule(const OptionalTensor& alpha, double alpha_number,
                       const OptionalTensor& alpha_bar, double alpha_bar_number,
                       const OptionalTensor& sigma, double sigma_number, const Tensor& x,
                       const char* op) {
  Schedule found{{dense(alpha), dense(alpha_bar), dense(sigma)}, {}, {}, {}};
  found.alpha = coefficient(found.kept[0], alpha_number, x, op, "alpha");
  found.alpha_bar = coefficient(found.kept[1], alpha_bar_number, x, op, "alpha_bar");
  found.sigma = coefficient(found.kept[2], sigma_number, x, op, "sigma");
  return found;
}

Tensor ddpm_step(const Tensor& x_t, const Tensor& predicted_noise, const OptionalTensor& alpha,
                 double alpha_number, const OptionalTensor& alpha_bar, double alpha_bar_number,
                 const OptionalTensor& sigma, double sigma_number, const OptionalTensor& noise,
                 const OptionalTensor& seed) {
  constexpr const char* op = "genbench::ddpm_step";
  check_batch(x_t, op, "x_t");
  check_like(predicted_noise, "predicted_noise", x_t, "x_t", op);
  if (noise) check_like(*noise, "noise", x_t, "x_t", op);
  check(!noise || !seed, op, ": give one of noise and seed");
  check(noise || seed || (!sigma && sigma_number == 0), op,
        ": give noise or seed, or the number 0 as sigma");
  const Schedule schedule =
      read_schedule(alpha, alpha_number, alpha_bar, alpha_bar_number, sigma, sigma_number, x_t, op);
  const Tensor x = dense(x_t), predicted = dense(predicted_noise);
  const OptionalTensor given = dense(noise), words = dense_seed(seed, x_t, "x_t", op);
  Tensor out = new_dense(x);
  with_storage(x_t.scalar_type(), op, [&](auto* storage) {
    using T = std::remove_pointer_t<decltype(storage)>;
    const DdpmStep<T> job{read<T>(x),       read<T>(predicted), read<T>(given), seed_words(words),
                          schedule.alpha,   schedule.alpha_bar, schedule.sigma, x_t.size(0),
                          sample_size(x_t), write<T>(out)};
    run_chunks(
        out, [&](auto stream) { cuda::ddpm_step(job, stream); },
        [&](int64_t begin, int64_t end) { cpu::ddpm_step(job, begin, end); });
  });
  return out;
}

std::vector<Tensor> ddpm_step_backward(const Tensor& grad, const OptionalTensor& alpha,
                                       double alpha_number, const OptionalTensor& alpha_bar,
                                       double alpha_bar_number, const OptionalTensor& sigma,
                                       double sigma_number, bool need_x_t,
                                       bool need_predicted_noise, bool need_noise) {
  constexpr const char* op = "genbench::ddpm_step_backward";
  check_batch(grad, op, "grad");
  const Schedule schedule = read_schedule(alpha, alpha_number, alpha_bar, alpha_bar_number, sigma,
                                          sigma_number, grad, op);
  const Tensor from = dense(grad);
  Gradients grads{from};
  with_storage(grad.scalar_type(), op, [&](auto* storage) {
    using T = std::remove_pointer_t<decltype(storage)>;
    const DdpmStepBackward<T> job{read<T>(from),
                                  schedule.alpha,
                                  schedule.alpha_bar,
                                  schedule.sigma,
                                  grad.size(0),
                                  sample_size(grad),
                                  grads.add<T>(need_x_t),
                                  grads.add<T>(need_predicted_noise),
                                  grads.add<T>(need_noise)};
    run_chunks(
        grad, [&](auto stream) { cuda::ddpm_step_backward(job, stream); },
        [&](int64_t begin, int64_t end) { cpu::ddpm_step_backward(job, begin, end); });
  });
  return grads.needed;
}

}  // namespace
}  // namespace genbench::bindings

// A coefficient is a tensor, or its number. Backward operations return the gradients asked for, in
// order.
STABLE_TORCH_LIBRARY_FRAGMENT(genbench, m) {
  m.def(
      "ddpm_add_noise(Tensor x0, Tensor noise, Tensor? alpha_bar, float alpha_bar_number)"
      " -> Tensor");
  m.def(
      "ddpm_draw_noise(Tensor x0, Tensor seed, Tensor? alpha_bar, float alpha_bar_number)"
      " -> (Tensor x_t, Tensor noise)");
  m.def(
      "ddpm_add_noise_backward(Tensor grad, Tensor? alpha_bar, float alpha_bar_number,"
      " bool need_x0, bool need_noise) -> Tensor[]");
  // One of noise and seed, or neither where sigma is the number 0.
  m.def(
      "ddpm_step(Tensor x_t, Tensor predicted_noise, Tensor? alpha, float alpha_number,"
      " Tensor? alpha_bar, float alpha_bar_number, Tensor? sigma, float sigma_number,"
      " Tensor? noise, Tensor? seed) -> Tensor");
  m.def(
      "ddpm_step_backward(Tensor grad, Tensor? alpha, float alpha_number, Tensor? alpha_bar,"
      " float alpha_bar_number, Tensor? sigma, float sigma_number, bool need_x_t,"
      " bool need_predicted_noise, bool need_noise) -> Tensor[]");
}

GENBENCH_LIBRARY_IMPL(m) {
  m.impl("ddpm_add_noise", TORCH_BOX(&genbench::bindings::ddpm_add_noise));
  m.impl("ddpm_draw_noise", TORCH_BOX(&genbench::bindings::ddpm_draw_noise));
  m.impl("ddpm_add_noise_backward", TORCH_BOX(&genbench::bindings::ddpm_add_noise_backward));
  m.impl("ddpm_step", TORCH_BOX(&genbench::bindings::ddpm_step));
  m.impl("ddpm_step_backward", TORCH_BOX(&genbench::bindings::ddpm_step_backward));
}
