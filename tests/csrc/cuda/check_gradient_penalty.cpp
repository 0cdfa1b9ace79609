// The gradient_penalty kernels of csrc/cuda against those of csrc/cpu.
#include <vector>

#include "check.h"
#include "gradient_penalty.h"

namespace genbench {
namespace {

struct Case {
  int64_t rows, cols;
  int shift;
  double scale;  // of the gradients
  double center;
  bool one_sided, slopes;
};

template <typename T>
void check_backward(const Case& c, const Memory<T>& g, const Memory<double>& slope) {
  Memory<T> out[2] = {Memory<T>(g.count(), c.shift), Memory<T>(g.count(), c.shift)};
  Memory<compute_t<T>> grad(1);
  *grad = 2;
  const auto job = [&](int on) {
    return GradientPenaltyBackward<T>{grad, g, slope, c.rows, c.cols, out[on]};
  };
  cpu::gradient_penalty_backward(job(0), 0, cpu::chunk_count(g.count()));
  cuda::gradient_penalty_backward(job(1), nullptr);
  expect_close(out[1], out[0], "gradient of the penalty");
}

template <typename T>
void check_case(const Case& c) {
  using C = compute_t<T>;
  const Memory<T> g = wave<T>(c.rows * c.cols, c.shift, 0.1, c.scale);
  if (c.rows > 2) {  // a row of zeros, and one that is not finite
    for (int64_t i = 0; i < c.cols; ++i) store(g + c.cols + i, C(0));
    if (c.slopes) store(g.get(), std::numeric_limits<C>::infinity());
  }
  std::vector<double> chunks(cpu::row_steps(c.rows, c.cols));
  Memory<double> partials(cuda::gradient_penalty_partials<T>(c.rows, c.cols));
  Memory<double> slope[2] = {Memory<double>(c.rows), Memory<double>(c.rows)};
  Memory<C> mean[2] = {Memory<C>(1), Memory<C>(1)}, first(1);
  const auto job = [&](int on, double* partial) {
    return GradientPenaltyForward<T>{g,        c.rows,
                                     c.cols,   {c.center, c.one_sided},
                                     mean[on], c.slopes ? slope[on].get() : nullptr,
                                     partial};
  };
  const auto on_cpu = job(0, chunks.data());
  cpu::gradient_penalty_forward(on_cpu, 0, cpu::row_steps(c.rows, c.cols));
  cpu::gradient_penalty_finish(on_cpu);
  for (int run = 0; run < 3; ++run) {  // blocks and threads in another order
    const int64_t launches =
        launches_of([&] { cuda::gradient_penalty_forward(job(1, partials), nullptr); });
    expect(launches == 1, "launches of gradient_penalty", c.rows, c.cols);
    expect_close(mean[1], mean[0], "penalty", 16);
    if (run == 0) *first = *mean[1];
    expect(std::memcmp(first, mean[1], sizeof(C)) == 0, "the bits of the penalty", c.rows, c.cols);
  }
  if (!c.slopes) return;
  expect_close(slope[1], slope[0], "slope", c.cols);
  check_backward(c, g, slope[0]);
}

}  // namespace

void check_gradient_penalty() {
  const Case cases[] = {
      {1, 1, 0, 1, 1, false, true},         {1, 1, 1, 1, 0, false, false},
      {700, 1, 0, 1, 1, true, true},        {300, 3, 1, 1, 1, false, false},
      {37, 10, 0, 0.5, 2, true, false},     {5, 2048, 0, 0.1, 1, false, false},
      {9, 2049, 1, 0.1, 1, false, true},    {3, 4096, 0, 0.1, 0, false, false},
      {4, 4097, 0, 0.01, 1, false, true},   {1, 50001, 3, 0.01, 1, true, false},
      {40, 5000, 0, 0.02, 1, false, false},
  };
  for_each_type([&](auto type) {
    for (const Case& c : cases) check_case<decltype(type)>(c);
  });
  // Squares beyond double: rows that take a second pass, by a warp, a block and many blocks.
  for (const double scale : {1e200, 1e-200}) {
    check_case<double>({40, 10, 0, scale, 1, false, true});
    check_case<double>({2, 3000, 0, scale, 1, false, true});
    check_case<double>({2, 9000, 1, scale, 1, false, true});
  }
}

}  // namespace genbench
