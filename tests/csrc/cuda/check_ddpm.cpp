// The ddpm kernels of csrc/cuda against those of csrc/cpu.
#include "check.h"
#include "ddpm.h"

namespace genbench {
namespace {

constexpr int64_t kSeed[] = {42, 3};

enum class From { number, scalar, rows };
enum class Source { given, drawn, none };

struct Case {
  int64_t rows, cols;
  int shift;
  From from;  // where the coefficients lie
};

// Coefficients in (0, 1), each row's its own.
struct Coefficients {
  Memory<double> doubles;
  Memory<float16> halves;
  Coefficient alpha, bar, sigma;

  explicit Coefficients(const Case& c) : doubles(c.rows), halves(c.rows) {
    for (int64_t i = 0; i < c.rows; ++i) {
      doubles[i] = 0.5 + 0.4 * std::sin(0.7 * i);
      store(halves + i, static_cast<float>(0.5 + 0.4 * std::cos(0.9 * i)));
    }
    const bool rows = c.from == From::rows;
    const void* at = c.from == From::number || c.rows == 0 ? nullptr : doubles.get();
    const void* half = at == nullptr ? nullptr : halves.get();
    alpha = {0.98, at, Storage::float64, rows};
    bar = {0.9999, half, Storage::float16, rows};
    sigma = {0.3, nullptr, Storage::float64, false};
  }
};

template <typename T>
void check_add_noise(const Case& c, bool drawn) {
  const int64_t size = c.rows * c.cols;
  const Coefficients of(c);
  const Memory<T> x0 = wave<T>(size, c.shift, 0.1, 1), noise = wave<T>(size, c.shift, 0.2, 2);
  Memory<T> x_t[2] = {Memory<T>(size, c.shift), Memory<T>(size, c.shift)};
  Memory<T> kept[2] = {Memory<T>(size, c.shift), Memory<T>(size, c.shift)};
  const auto job = [&](int on) {
    return DdpmAddNoise<T>{x0,
                           drawn ? nullptr : noise.get(),
                           drawn ? SeedWords{kSeed, 2} : SeedWords{},
                           of.bar,
                           c.rows,
                           c.cols,
                           x_t[on],
                           drawn ? kept[on].get() : nullptr};
  };
  cpu::ddpm_add_noise(job(0), 0, cpu::chunk_count(size));
  const int64_t launches = launches_of([&] { cuda::ddpm_add_noise(job(1), nullptr); });
  expect(launches == (size > 0), "launches of ddpm_add_noise", size, launches);
  expect_close(x_t[1], x_t[0], "x_t");
  if (drawn) expect_close(kept[1], kept[0], "noise");
  for (const bool of_x0 : {false, true}) {
    const auto slopes = [&](int on) {
      return DdpmAddNoiseBackward<T>{
          x0, of.bar, c.rows, c.cols, of_x0 ? x_t[on].get() : nullptr, kept[on]};
    };
    cpu::ddpm_add_noise_backward(slopes(0), 0, cpu::chunk_count(size));
    cuda::ddpm_add_noise_backward(slopes(1), nullptr);
    expect_close(x_t[1], x_t[0], "grad_x0");
    expect_close(kept[1], kept[0], "grad_noise");
  }
}

template <typename T>
void check_step(const Case& c, Source from) {
  const int64_t size = c.rows * c.cols;
  const Coefficients of(c);
  const Memory<T> x_t = wave<T>(size, c.shift, 0.1, 1), noise = wave<T>(size, c.shift, 0.2, 2);
  const Memory<T> predicted = wave<T>(size, c.shift, 0.3, 1);
  Memory<T> out[2] = {Memory<T>(size, c.shift), Memory<T>(size, c.shift)};
  Memory<T> grad_x[2] = {Memory<T>(size, c.shift), Memory<T>(size, c.shift)};
  Memory<T> grad_noise[2] = {Memory<T>(size, c.shift), Memory<T>(size, c.shift)};
  const auto job = [&](int on) {
    return DdpmStep<T>{x_t,
                       predicted,
                       from == Source::given ? noise.get() : nullptr,
                       from == Source::drawn ? SeedWords{kSeed, 2} : SeedWords{},
                       of.alpha,
                       of.bar,
                       of.sigma,
                       c.rows,
                       c.cols,
                       out[on]};
  };
  cpu::ddpm_step(job(0), 0, cpu::chunk_count(size));
  cuda::ddpm_step(job(1), nullptr);
  expect_close(out[1], out[0], "x_prev", 100);  // 1 - alpha_bar .9999 in the divisor
  const auto slopes = [&](int on) {
    return DdpmStepBackward<T>{x_t,    of.alpha,   of.bar,  of.sigma,      c.rows,
                               c.cols, grad_x[on], out[on], grad_noise[on]};
  };
  cpu::ddpm_step_backward(slopes(0), 0, cpu::chunk_count(size));
  cuda::ddpm_step_backward(slopes(1), nullptr);
  expect_close(grad_x[1], grad_x[0], "grad_x_t");
  expect_close(out[1], out[0], "grad_predicted_noise", 100);
  expect_close(grad_noise[1], grad_noise[0], "grad of a step's noise");
}

}  // namespace

void check_ddpm() {
  const Case cases[] = {{0, 4, 0, From::rows},    {3, 0, 0, From::number},
                        {1, 1, 0, From::scalar},  {500, 1, 1, From::rows},
                        {41, 3, 0, From::rows},   {17, 10, 0, From::number},
                        {6, 1025, 3, From::rows}, {2, 20000, 0, From::scalar}};
  for_each_type([&](auto type) {
    using T = decltype(type);
    for (const Case& c : cases) {
      for (const bool drawn : {false, true}) check_add_noise<T>(c, drawn);
      for (const Source from : {Source::given, Source::drawn, Source::none}) check_step<T>(c, from);
    }
  });
}

}  // namespace genbench
