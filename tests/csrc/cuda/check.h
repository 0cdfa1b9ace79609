// What the checks of the CUDA kernels share: tensors at awkward addresses, comparisons, types.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>

#include "emulator.h"
#include "math/half.h"

namespace genbench {

inline int failures = 0;

inline void expect(bool holds, const char* what, int64_t a = 0, int64_t b = 0) {
  if (holds) return;
  if (++failures < 20) {
    std::fprintf(stderr, "failed: %s (%lld, %lld)\n", what, static_cast<long long>(a),
                 static_cast<long long>(b));
  }
}

// Elements of a type in memory of exactly their size, `shift` elements off a 16-byte boundary.
// All bits set at first: NaN in every floating type.
template <typename T>
class Memory {
 public:
  explicit Memory(int64_t count, int shift = 0)
      : count_(count), shift_(shift), memory_(new (std::align_val_t(16)) T[count + shift]) {
    std::memset(static_cast<void*>(memory_.get()), 0xff, (count + shift) * sizeof(T));
  }
  T* get() const { return memory_.get() + shift_; }
  operator T*() const { return get(); }
  int64_t count() const { return count_; }

 private:
  struct Delete {
    void operator()(T* at) const { ::operator delete[](at, std::align_val_t(16)); }
  };
  int64_t count_;
  int shift_;
  std::unique_ptr<T[], Delete> memory_;
};

// scale * sin(0.7 i + phase): numbers of both signs that repeat nowhere.
template <typename T>
Memory<T> wave(int64_t count, int shift, double phase, double scale) {
  Memory<T> out(count, shift);
  for (int64_t i = 0; i < count; ++i) {
    store(out + i, static_cast<compute_t<T>>(scale * std::sin(0.7 * i + phase)));
  }
  return out;
}

// One unit in the last place of a number near 1.
template <typename T>
constexpr double kUlp = 0;
template <>
inline constexpr double kUlp<double> = 0x1p-52;
template <>
inline constexpr double kUlp<float> = 0x1p-23;
template <>
inline constexpr double kUlp<bfloat16> = 0x1p-7;
template <>
inline constexpr double kUlp<float16> = 0x1p-10;

// The same formulas were compiled twice, with other choices of fused multiply-adds: some units of
// the compute type; and a half result near a tie may round to the neighbour.
template <typename T>
bool close(T a, T b, double sum_terms = 1) {
  const double x = load(&a), y = load(&b);
  if (x == y || (x != x && y != y)) return true;  // infinities, and what is no number on either
  const double wide = kUlp<compute_t<T>> * 64 * std::sqrt(sum_terms);
  const double stored = sizeof(T) == 2 ? kUlp<T> : 0;
  return std::fabs(x - y) <= wide + (wide + stored) * std::fabs(y);
}

template <typename T>
void expect_close(const Memory<T>& a, const Memory<T>& b, const char* what, double sum_terms = 1) {
  for (int64_t i = 0; i < a.count(); ++i) {
    expect(close<T>(a[i], b[i], sum_terms), what, i, a.count());
  }
}

inline int64_t launches_of(const std::function<void()>& run) {
  const int before = emulator::state.launches;
  run();
  return emulator::state.launches - before;
}

template <typename Check>
void for_each_type(Check check) {
  check(float{});
  check(double{});
  check(bfloat16{});
  check(float16{});
}

void check_emulator();
void check_noise();
void check_reparameterize_kl();
void check_interpolate();
void check_gan_bce();
void check_ddpm();
void check_gradient_penalty();

}  // namespace genbench
