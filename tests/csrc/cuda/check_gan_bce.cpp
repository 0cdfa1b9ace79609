// The gan_bce kernels of csrc/cuda against those of csrc/cpu.
#include <vector>

#include "check.h"
#include "gan_bce.h"

namespace genbench {
namespace {

constexpr int64_t kSeed[] = {42, 3};

struct Case {
  int64_t real, fake;  // logits; 0: the loss has no such side
  int shift;
  bool given;  // targets by tensors
  double low, high;
  uint64_t flips;
  bool slopes;
};

template <typename T>
struct Tensors {
  Memory<T> logits, target, slope[2], gradient[2];
  Tensors(int64_t count, int shift, double phase)
      : logits(wave<T>(count, shift, phase, 4)),
        target(wave<T>(count, shift, phase, 0.5)),
        slope{Memory<T>(count, shift), Memory<T>(count, shift)},
        gradient{Memory<T>(count, shift), Memory<T>(count, shift)} {
    for (int64_t i = 0; i < count; ++i) store(target + i, std::fabs(load(target + i)));
  }
};

template <typename T>
void check_forward(const Case& c, Tensors<T>& real, Tensors<T>& fake) {
  using C = compute_t<T>;
  std::vector<double> chunks(cpu::chunk_count(c.real) + cpu::chunk_count(c.fake));
  Memory<double> partials(cuda::gan_bce_partials(c.real, c.fake));
  Memory<C> loss[2] = {Memory<C>(1), Memory<C>(1)}, first(1);
  const auto side = [&](Tensors<T>& of, int64_t count, uint64_t stream, double weight, int on) {
    return GanBceSide<T>{of.logits, count,  c.given ? of.target.get() : nullptr,    c.low, c.high,
                         stream,    weight, c.slopes ? of.slope[on].get() : nullptr};
  };
  const auto job = [&](int on, double* partial) {
    return GanBceForward<T>{{side(real, c.real, 0, 1, on), side(fake, c.fake, 2, -1, on)},
                            {kSeed, 2},
                            c.flips,
                            loss[on],
                            partial};
  };
  const auto on_cpu = job(0, chunks.data());
  cpu::gan_bce_forward(on_cpu, 0, cpu::gan_bce_steps(on_cpu));
  cpu::gan_bce_finish(on_cpu);
  for (int run = 0; run < 3; ++run) {  // blocks and threads in another order
    const int64_t launches = launches_of([&] { cuda::gan_bce_forward(job(1, partials), nullptr); });
    expect(launches == 1, "launches of gan_bce", c.real, c.fake);
    expect_close(loss[1], loss[0], "loss", 16);
    if (run == 0) *first = *loss[1];
    expect(std::memcmp(first, loss[1], sizeof(C)) == 0, "the bits of the loss", c.real, c.fake);
  }
}

template <typename T>
void check_case(const Case& c) {
  Tensors<T> real(c.real, c.shift, 0.1), fake(c.fake, c.shift, 0.6);
  check_forward(c, real, fake);
  if (!c.slopes) return;
  expect_close(real.slope[1], real.slope[0], "real slope");
  expect_close(fake.slope[1], fake.slope[0], "fake slope");
  Memory<compute_t<T>> grad(1);
  *grad = 3;
  const auto job = [&](int on) {
    return GanBceBackward<T>{
        grad,
        {{real.slope[0], c.real, real.gradient[on]}, {fake.slope[0], c.fake, fake.gradient[on]}}};
  };
  cpu::gan_bce_backward(job(0), 0, cpu::gan_bce_steps(job(0)));
  cuda::gan_bce_backward(job(1), nullptr);
  expect_close(real.gradient[1], real.gradient[0], "grad_real");
  expect_close(fake.gradient[1], fake.gradient[0], "grad_fake");
}

}  // namespace

void check_gan_bce() {
  const uint64_t some = uint64_t{1} << 30, all = uint64_t{1} << 32;
  const Case cases[] = {{1, 1, 0, false, 1, 1, 0, true},
                        {0, 7, 0, false, 1, 1, 0, true},
                        {5, 0, 1, false, 0, 0, 0, false},
                        {64, 65, 0, true, 0, 0, 0, true},
                        {1025, 4096, 1, false, 0.7, 1.2, some, true},
                        {4097, 9000, 0, true, 0, 0, some, true},
                        {20000, 16385, 0, false, 0.2, 0.9, 0, true},
                        {40000, 31, 3, false, 0.9, 0.9, all, true}};
  for_each_type([&](auto type) {
    for (const Case& c : cases) check_case<decltype(type)>(c);
  });
}

}  // namespace genbench
