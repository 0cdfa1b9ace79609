// torch.ops.genbench.discriminator_bce_forward, generator_bce_forward and gan_bce_backward.
#include "../gan_bce.h"

#include <tuple>

#include "../math/gan_bce.h"
#include "tensors.h"

namespace genbench::bindings {
namespace {

// One tensor of logits in row-major order; without logits the side is absent.
struct Side {
  OptionalTensor logits, target;
  double low, high, weight;
  uint64_t stream;
  bool gradients;
};

struct Flips {
  OptionalTensor seed;
  double probability;
};

Tensor no_elements(const Tensor& like) { return new_dense(like, {0}, like.scalar_type()); }

template <typename T>
GanBceSide<T> side_job(const Side& side, const OptionalTensor& slope) {
  const int64_t count = side.logits ? side.logits->numel() : 0;
  return {read<T>(side.logits),
          count,
          read<T>(side.target),
          side.low,
          side.high,
          side.stream,
          side.weight,
          slope ? write<T>(*slope) : nullptr};
}

template <typename T>
void run_on_cpu(GanBceForward<T> job) {
  const int64_t steps = cpu::gan_bce_steps(job);
  with_partials(steps, [&](double* partial) {
    job.partial = partial;
    in_parallel(steps, [&](int64_t begin, int64_t end) { cpu::gan_bce_forward(job, begin, end); });
    cpu::gan_bce_finish(job);
  });
}

template <typename T>
void run_forward(GanBceForward<T> job, const Tensor& like) {
  run_on(
      like,
      [&](auto stream) {
        const int64_t count = cuda::gan_bce_partials(job.side[0].count, job.side[1].count);
        const Tensor partial = new_dense(like, {count}, ScalarType::Double);
        job.partial = write<double>(partial);
        cuda::gan_bce_forward(job, stream);
      },
      [&] { run_on_cpu(job); });
}

// The loss, and the slopes that are wanted; others are empty.
std::tuple<Tensor, Tensor, Tensor> forward(const Side& real, const Side& fake, const Flips& flips,
                                           const Tensor& like, const char* op) {
  const ScalarType type = like.scalar_type();
  const Tensor loss = new_dense(like, {}, compute_type(type));
  OptionalTensor slope[2];
  if (real.gradients) slope[0] = new_dense(*real.logits);
  if (fake.gradients) slope[1] = new_dense(*fake.logits);
  with_storage(type, op, [&](auto* storage) {
    using T = std::remove_pointer_t<decltype(storage)>;
    const GanBceForward<T> job{{side_job<T>(real, slope[0]), side_job<T>(fake, slope[1])},
                               seed_words(flips.seed),
                               words_below(flips.probability),
                               write<compute_t<T>>(loss),
                               nullptr};
    run_forward(job, like);
  });
  return {loss, slope[0] ? *slope[0] : no_elements(like), slope[1] ? *slope[1] : no_elements(like)};
}

void check_unit(double value, double low, const char* op, const char* name) {
  check(value >= low && value <= 1, op, ": ", name, " must be in [", low, ", 1], got ", value);
}

struct Target {
  const OptionalTensor& tensor;
  double low, high;
};

Side read_side(const Tensor& logits, const Target& target, const char* op, const char* name,
               const char* target_name, uint64_t stream, bool gradients) {
  check_not_empty(logits, op, name);
  check_unit(target.low, 0, op, target_name);
  check_unit(target.high, target.low, op, target_name);
  if (target.tensor) check_like(*target.tensor, target_name, logits, name, op);
  return {dense(logits), dense(target.tensor), target.low, target.high, 1, stream, gradients};
}

std::tuple<Tensor, Tensor, Tensor> discriminator_forward(
    const Tensor& real, const Tensor& fake, const OptionalTensor& real_target, double real_low,
    double real_high, const OptionalTensor& fake_target, double fake_low, double fake_high,
    double flip_probability, const OptionalTensor& seed, bool real_gradients, bool fake_gradients) {
  constexpr const char* op = "genbench::discriminator_bce_forward";
  const Side real_side = read_side(real, {real_target, real_low, real_high}, op, "real",
                                   "real_target", 0, real_gradients);
  const Side fake_side = read_side(fake, {fake_target, fake_low, fake_high}, op, "fake",
                                   "fake_target", 2, fake_gradients);
  check_device(fake, "fake", real, "real", op);
  check(real.scalar_type() == fake.scalar_type(), op, ": fake must have real's dtype");
  check_unit(flip_probability, 0, op, "flip_probability");
  const bool draws = flip_probability > 0 || (!real_target && real_low < real_high) ||
                     (!fake_target && fake_low < fake_high);
  check(!draws || seed.has_value(), op, ": seed must be given where targets are drawn");
  const Flips flips{dense_seed(seed, real, "real", op), flip_probability};
  return forward(real_side, fake_side, flips, real, op);
}

std::tuple<Tensor, Tensor> generator_forward(const Tensor& fake, bool saturating, bool gradients) {
  constexpr const char* op = "genbench::generator_bce_forward";
  check_not_empty(fake, op, "fake");
  const double target = saturating ? 0 : 1, weight = saturating ? -1 : 1;
  const Side none{{}, {}, 0, 0, 0, 0, false};
  const Side side{dense(fake), {}, target, target, weight, 0, gradients};
  auto [loss, absent, slope] = forward(none, side, {{}, 0}, fake, op);
  return {loss, slope};
}

template <typename T>
GanBceBackwardSide<T> backward_side(const OptionalTensor& slope, const OptionalTensor& gradient) {
  return {read<T>(slope), slope ? slope->numel() : 0, gradient ? write<T>(*gradient) : nullptr};
}

std::tuple<Tensor, Tensor> backward(const Tensor& grad_loss, const OptionalTensor& real_slope,
                                    const OptionalTensor& fake_slope) {
  constexpr const char* op = "genbench::gan_bce_backward";
  check(real_slope || fake_slope, op, ": give real_slope or fake_slope");
  const ScalarType type = (real_slope ? *real_slope : *fake_slope).scalar_type();
  if (real_slope) check_device(*real_slope, "real_slope", grad_loss, "grad_loss", op);
  if (fake_slope) check_device(*fake_slope, "fake_slope", grad_loss, "grad_loss", op);
  check(!fake_slope || fake_slope->scalar_type() == type, op,
        ": fake_slope must have real_slope's dtype");
  check(grad_loss.dim() == 0 && grad_loss.scalar_type() == compute_type(type), op,
        ": grad_loss must be like the loss");
  const OptionalTensor real = dense(real_slope), fake = dense(fake_slope);
  OptionalTensor gradient[2];
  if (real) gradient[0] = new_dense(*real);
  if (fake) gradient[1] = new_dense(*fake);
  with_storage(type, op, [&](auto* storage) {
    using T = std::remove_pointer_t<decltype(storage)>;
    const GanBceBackward<T> job{
        read<compute_t<T>>(grad_loss),
        {backward_side<T>(real, gradient[0]), backward_side<T>(fake, gradient[1])}};
    run_on(
        grad_loss, [&](auto stream) { cuda::gan_bce_backward(job, stream); },
        [&] {
          in_parallel(cpu::gan_bce_steps(job),
                      [&](int64_t begin, int64_t end) { cpu::gan_bce_backward(job, begin, end); });
        });
  });
  return {gradient[0] ? *gradient[0] : no_elements(grad_loss),
          gradient[1] ? *gradient[1] : no_elements(grad_loss)};
}

}  // namespace
}  // namespace genbench::bindings

STABLE_TORCH_LIBRARY_FRAGMENT(genbench, m) {
  // A target is the tensor, or drawn in [low, high) where low < high, or the number low. A slope
  // (sigmoid(x) - t, for gan_bce_backward) that is not wanted is empty.
  m.def(
      "discriminator_bce_forward(Tensor real, Tensor fake, Tensor? real_target, float real_low,"
      " float real_high, Tensor? fake_target, float fake_low, float fake_high,"
      " float flip_probability, Tensor? seed, bool real_gradients, bool fake_gradients)"
      " -> (Tensor loss, Tensor real_slope, Tensor fake_slope)");
  m.def(
      "generator_bce_forward(Tensor fake, bool saturating, bool gradients)"
      " -> (Tensor loss, Tensor fake_slope)");
  // slope * grad_loss / number of its logits; empty for a slope that is not given.
  m.def(
      "gan_bce_backward(Tensor grad_loss, Tensor? real_slope, Tensor? fake_slope)"
      " -> (Tensor grad_real, Tensor grad_fake)");
}

GENBENCH_LIBRARY_IMPL(m) {
  m.impl("discriminator_bce_forward", TORCH_BOX(&genbench::bindings::discriminator_forward));
  m.impl("generator_bce_forward", TORCH_BOX(&genbench::bindings::generator_forward));
  m.impl("gan_bce_backward", TORCH_BOX(&genbench::bindings::backward));
}
