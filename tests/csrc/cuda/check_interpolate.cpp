// The interpolate kernels of csrc/cuda against those of csrc/cpu.
#include "check.h"
#include "interpolate.h"

namespace genbench {
namespace {

constexpr int64_t kSeed[] = {42, 3};

enum class From { number, seed, floats, halves };

template <typename T>
void check_case(int64_t rows, int64_t cols, int shift, From from) {
  const int64_t size = rows * cols;
  const Memory<T> real = wave<T>(size, shift, 0.1, 1), fake = wave<T>(size, shift, 0.2, 2);
  const Memory<double> floats = wave<double>(rows, 0, 0.3, 0.5);
  const Memory<float16> halves = wave<float16>(rows, 0, 0.3, 0.5);
  Coefficient alpha{0.3, nullptr, Storage::float64, false};
  if (from == From::floats) alpha = {0, floats.get(), Storage::float64, true};
  if (from == From::halves) alpha = {0, halves.get(), Storage::float16, true};
  const SeedWords seed = from == From::seed ? SeedWords{kSeed, 2} : SeedWords{};
  Memory<T> out[2] = {Memory<T>(size, shift), Memory<T>(size, shift)};
  Memory<T> grad[2] = {Memory<T>(size, shift), Memory<T>(size, shift)};
  const auto job = [&](int on) {
    return Interpolate<T>{real, fake, alpha, seed, rows, cols, out[on]};
  };
  cpu::interpolate(job(0), 0, cpu::chunk_count(size));
  const int64_t launches = launches_of([&] { cuda::interpolate(job(1), nullptr); });
  expect(launches == (size > 0), "launches of interpolate", size, launches);
  expect_close(out[1], out[0], "interpolate");
  const auto slopes = [&](int on, bool of_real, bool of_fake) {
    return InterpolateBackward<T>{real,
                                  alpha,
                                  seed,
                                  rows,
                                  cols,
                                  of_real ? out[on].get() : nullptr,
                                  of_fake ? grad[on].get() : nullptr};
  };
  for (const bool of_real : {false, true}) {
    cpu::interpolate_backward(slopes(0, of_real, true), 0, cpu::chunk_count(size));
    cuda::interpolate_backward(slopes(1, of_real, true), nullptr);
    expect_close(out[1], out[0], "grad_real");
    expect_close(grad[1], grad[0], "grad_fake");
  }
}

}  // namespace

void check_interpolate() {
  const int64_t shapes[][2] = {{0, 4},   {3, 0},    {1, 1},    {1000, 1}, {41, 3},
                               {17, 10}, {6, 1024}, {5, 1025}, {2, 40000}};
  for_each_type([&](auto type) {
    using T = decltype(type);
    for (const auto& shape : shapes) {
      for (const From from : {From::number, From::seed, From::floats, From::halves}) {
        check_case<T>(shape[0], shape[1], from == From::halves ? 1 : 0, from);
      }
    }
  });
}

}  // namespace genbench
