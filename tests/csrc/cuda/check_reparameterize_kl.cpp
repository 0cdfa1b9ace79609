// The reparameterize_kl kernels of csrc/cuda against those of csrc/cpu.
#include "check.h"
#include "reparameterize_kl.h"

namespace genbench {
namespace {

constexpr int64_t kSeed[] = {42, 3};

struct Case {
  int64_t rows, cols;
  int shift;   // of every tensor's address, in elements
  bool drawn;  // noise by a seed, not by a tensor
};

template <typename T>
void check_forward(const Case& c) {
  const int64_t size = c.rows * c.cols;
  const Memory<T> mu = wave<T>(size, c.shift, 0.1, 1.5), logvar = wave<T>(size, c.shift, 0.2, 2);
  const Memory<T> eps = wave<T>(size, c.shift, 0.3, 2);
  Memory<T> z[2] = {Memory<T>(size, c.shift), Memory<T>(size, c.shift)};
  Memory<compute_t<T>> kl[2] = {Memory<compute_t<T>>(c.rows), Memory<compute_t<T>>(c.rows)};
  Memory<double> chunks(c.rows * cpu::chunk_count(c.cols));
  Memory<double> partials(cuda::reparameterize_kl_partials(c.rows, c.cols));
  const SeedWords seed = c.drawn ? SeedWords{kSeed, 2} : SeedWords{};
  const T* given = c.drawn ? nullptr : eps.get();
  const auto job = [&](int on, double* partial) {
    return ReparameterizeKlForward<T>{mu,     logvar, given,  seed,   c.rows,
                                      c.cols, z[on],  kl[on], partial};
  };
  const auto on_cpu = job(0, c.cols > cpu::kChunk ? chunks.get() : nullptr);
  cpu::reparameterize_kl_forward(on_cpu, 0, cpu::row_steps(c.rows, c.cols));
  if (on_cpu.partial != nullptr) cpu::reparameterize_kl_finish(on_cpu);
  Memory<compute_t<T>> first(c.rows);
  for (int run = 0; run < 2; ++run) {  // blocks and threads in another order
    const int64_t launches =
        launches_of([&] { cuda::reparameterize_kl_forward(job(1, partials), nullptr); });
    expect(launches == (c.rows > 0), "launches of reparameterize_kl", c.rows, c.cols);
    expect_close(z[1], z[0], "z");
    expect_close(kl[1], kl[0], "kl", c.cols);
    if (run == 0) std::memcpy(first, kl[1], c.rows * sizeof(compute_t<T>));
    expect(std::memcmp(first, kl[1], c.rows * sizeof(compute_t<T>)) == 0, "the bits of kl");
  }
}

template <typename T>
void check_backward(const Case& c, bool has_z, bool has_kl) {
  const int64_t size = c.rows * c.cols;
  const Memory<T> mu = wave<T>(size, c.shift, 0.1, 1.5), logvar = wave<T>(size, c.shift, 0.2, 2);
  const Memory<T> eps = wave<T>(size, c.shift, 0.3, 2), grad_z = wave<T>(size, c.shift, 0.4, 1);
  const Memory<compute_t<T>> grad_kl = wave<compute_t<T>>(c.rows, 0, 0.5, 1);
  Memory<T> grad_mu[2] = {Memory<T>(size, c.shift), Memory<T>(size, c.shift)};
  Memory<T> grad_logvar[2] = {Memory<T>(size, c.shift), Memory<T>(size, c.shift)};
  const auto job = [&](int on) {
    return ReparameterizeKlBackward<T>{has_z ? grad_z.get() : nullptr,
                                       has_kl ? grad_kl.get() : nullptr,
                                       mu,
                                       logvar,
                                       c.drawn ? nullptr : eps.get(),
                                       c.drawn ? SeedWords{kSeed, 2} : SeedWords{},
                                       c.rows,
                                       c.cols,
                                       grad_mu[on],
                                       grad_logvar[on]};
  };
  cpu::reparameterize_kl_backward(job(0), 0, cpu::chunk_count(size));
  cuda::reparameterize_kl_backward(job(1), nullptr);
  expect_close(grad_mu[1], grad_mu[0], "grad_mu");
  expect_close(grad_logvar[1], grad_logvar[0], "grad_logvar");
}

}  // namespace

void check_reparameterize_kl() {
  const Case cases[] = {{0, 5, 0, true},     {3, 0, 0, true},     {1, 1, 1, false},
                        {700, 1, 0, false},  {65, 3, 0, true},    {37, 10, 1, false},
                        {300, 16, 0, true},  {9, 127, 2, true},   {33, 256, 0, true},
                        {2, 2048, 0, false}, {3, 2049, 1, true},  {2, 4096, 0, true},
                        {2, 4097, 0, true},  {1, 40003, 3, true}, {40, 4100, 0, false}};
  for_each_type([&](auto type) {
    using T = decltype(type);
    for (const Case& c : cases) {
      check_forward<T>(c);
      check_backward<T>(c, true, true);
    }
    check_backward<T>(cases[5], true, false);
    check_backward<T>(cases[5], false, true);
    check_backward<T>(cases[5], false, false);
  });
}

}  // namespace genbench
