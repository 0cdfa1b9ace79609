// The kernels through their raw pointers, with no torch: known answers, and one small case.
#include <cmath>
#include <cstdio>
#include <vector>

#include "cpu/dispatch.h"
#include "ddpm.h"
#include "gan_bce.h"
#include "gradient_penalty.h"
#include "interpolate.h"
#include "math/philox.h"
#include "neighbours.h"
#include "reparameterize_kl.h"

namespace {

int failures = 0;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "failed: %s\n", what);
  ++failures;
}

// Random123, kat_vectors, philox4x32 10.
void check_philox() {
  const uint64_t ones = ~uint64_t{0};
  const struct {
    uint64_t block, stream, key;
    uint32_t word[4];
  } known[] = {
      {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {ones, ones, ones, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {0x85a308d3243f6a88,
       0x0370734413198a2e,
       0x299f31d0a4093822,
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (const auto& answer : known) {
    const genbench::PhiloxBlock random = genbench::philox(answer.block, answer.stream, answer.key);
    for (int i = 0; i < 4; ++i) expect(random.word[i] == answer.word[i], "Philox known answer");
  }
}

// A number drawn alone is the number drawn in the middle of a tensor.
void check_shards() {
  constexpr int64_t count = 3000;
  std::vector<double> whole(count);
  const int64_t key = 7;
  const genbench::Noise<double> all{{&key, 1}, 0, whole.data(), count};
  genbench::cpu::normal(all, 0, genbench::cpu::chunk_count(count));
  for (int64_t first : {1, 1023, 1026, 2999}) {
    double alone = 0;
    const int64_t shard[] = {key, first};
    genbench::cpu::normal(genbench::Noise<double>{{shard, 2}, 0, &alone, 1}, 0, 1);
    expect(alone == whole[first], "an element alone and in the whole");
  }
}

// Against the formula as the C library evaluates it. Five columns, then a row of many chunks.
void check_reparameterize_kl(int64_t rows, int64_t cols) {
  namespace cpu = genbench::cpu;
  const int64_t size = rows * cols;
  std::vector<double> mu(size), logvar(size), eps(size), z(size), kl(rows), partial(size);
  for (int64_t i = 0; i < size; ++i) {
    mu[i] = std::sin(0.3 * i);
    logvar[i] = 2 * std::cos(0.7 * i);
    eps[i] = std::sin(1.1 * i);
  }
  const genbench::ReparameterizeKlForward<double> job{
      mu.data(), logvar.data(), eps.data(),
      {},        rows,          cols,
      z.data(),  kl.data(),     cols > cpu::kChunk ? partial.data() : nullptr};
  cpu::reparameterize_kl_forward(job, 0, cpu::row_steps(rows, cols));
  if (job.partial != nullptr) cpu::reparameterize_kl_finish(job);
  for (int64_t row = 0; row < rows; ++row) {
    double sum = 0;
    for (int64_t i = row * cols; i < (row + 1) * cols; ++i) {
      sum += 0.5 * (mu[i] * mu[i] + std::expm1(logvar[i]) - logvar[i]);
      const double wanted = mu[i] + std::exp(0.5 * logvar[i]) * eps[i];
      expect(std::fabs(z[i] - wanted) < 1e-14, "z");  // a few roundings of numbers below 4
    }
    expect(std::fabs(kl[row] - sum) < 1e-15 * cols * 8, "kl");  // `cols` roundings of sums
  }
}

// The loss and the slopes of one tensor of logits, all with the target t.
void check_gan_bce(int64_t count, double t) {
  namespace cpu = genbench::cpu;
  std::vector<double> x(count), slope(count), gradient(count), partial(count);
  double loss = 0, sum = 0;
  for (int64_t i = 0; i < count; ++i) x[i] = 20 * std::sin(0.3 * i);
  const genbench::GanBceForward<double> forward{
      {{}, {x.data(), count, nullptr, t, t, 0, 1, slope.data()}}, {}, 0, &loss, partial.data()};
  cpu::gan_bce_forward(forward, 0, cpu::gan_bce_steps(forward));
  cpu::gan_bce_finish(forward);
  const genbench::GanBceBackward<double> backward{&loss,
                                                  {{}, {slope.data(), count, gradient.data()}}};
  cpu::gan_bce_backward(backward, 0, cpu::gan_bce_steps(backward));
  for (int64_t i = 0; i < count; ++i) {
    sum += (1 - t) * std::log1p(std::exp(x[i])) + t * std::log1p(std::exp(-x[i]));
    const double wanted = 1 / (1 + std::exp(-x[i])) - t;
    expect(std::fabs(slope[i] - wanted) < 1e-15, "slope");  // a few roundings of numbers below 1
    expect(std::fabs(gradient[i] - loss * slope[i] / count) < 1e-15, "gradient");
  }
  expect(std::fabs(loss - sum / count) < 1e-13, "bce");  // `count` roundings of numbers below 20
}

// Rows whose norms are 2 sqrt(cols) size: one of them beyond the squares of a double.
void check_gradient_penalty(int64_t rows, int64_t cols, double size) {
  namespace cpu = genbench::cpu;
  std::vector<double> g(rows * cols, 2 * size), slope(rows), out(rows * cols), partial(rows * cols);
  const double norm = 2 * size * std::sqrt(cols), center = norm / 4;
  double mean = 0;
  const double one = 1;
  const genbench::GradientPenaltyForward<double> forward{
      g.data(), rows, cols, {center, false}, &mean, slope.data(), partial.data()};
  cpu::gradient_penalty_forward(forward, 0, cpu::row_steps(rows, cols));
  cpu::gradient_penalty_finish(forward);
  const genbench::GradientPenaltyBackward<double> backward{&one, g.data(), slope.data(),
                                                           rows, cols,     out.data()};
  cpu::gradient_penalty_backward(backward, 0, cpu::chunk_count(rows * cols));
  for (const double x : out) {
    const double wanted = 3 * size / rows;  // 2 (norm - center) / norm * 2 size / rows
    expect(std::fabs(x / wanted - 1) < 1e-12, "slope of the penalty");
  }
  const double excess = norm - center;
  const bool same = excess * excess > 1e308
                        ? std::isinf(mean)
                        : std::fabs(mean / (excess * excess) - 1) < 1e-12;  // 5,000 equal squares
  expect(same, "penalty");
}

// One weight a row, in float beside doubles: short rows, and rows of many chunks.
void check_interpolate(int64_t rows, int64_t cols) {
  namespace cpu = genbench::cpu;
  const int64_t size = rows * cols;
  std::vector<double> real(size), fake(size), out(size);
  std::vector<float> alpha(rows);
  for (int64_t row = 0; row < rows; ++row) alpha[row] = float(row + 1) / float(rows + 1);
  for (int64_t i = 0; i < size; ++i) real[i] = std::sin(0.3 * i), fake[i] = std::cos(0.7 * i);
  const genbench::Coefficient weight{0, alpha.data(), genbench::Storage::float32, true};
  const genbench::Interpolate<double> job{real.data(), fake.data(), weight,    {},
                                          rows,        cols,        out.data()};
  cpu::interpolate(job, 0, cpu::chunk_count(size));
  for (int64_t i = 0; i < size; ++i) {
    const double wanted = fake[i] + alpha[i / cols] * (real[i] - fake[i]);
    expect(std::fabs(out[i] - wanted) < 1e-15, "a point");  // a few roundings of numbers below 2
  }
}

// The noise that a step draws is the noise that ddpm_add_noise draws and hands back.
void check_ddpm(int64_t rows, int64_t cols) {
  namespace cpu = genbench::cpu;
  const int64_t size = rows * cols, key = 7;
  std::vector<double> x0(size), x_t(size), noise(size), out(size);
  for (int64_t i = 0; i < size; ++i) x0[i] = std::sin(0.3 * i);
  const auto number = [](double value) {
    return genbench::Coefficient{value, nullptr, genbench::Storage::float64, false};
  };
  const genbench::DdpmAddNoise<double> forward{x0.data(), nullptr, {&key, 1},  number(0.36),
                                               rows,      cols,    x_t.data(), noise.data()};
  cpu::ddpm_add_noise(forward, 0, cpu::chunk_count(size));
  const genbench::DdpmStep<double> step{x_t.data(),   noise.data(), nullptr,      {&key, 1},
                                        number(0.81), number(0.36), number(0.25), rows,
                                        cols,         out.data()};
  cpu::ddpm_step(step, 0, cpu::chunk_count(size));
  for (int64_t i = 0; i < size; ++i) {
    expect(std::fabs(x_t[i] - (0.6 * x0[i] + 0.8 * noise[i])) < 1e-14, "x_t");
    const double mean = (x_t[i] - 0.19 / 0.8 * noise[i]) / 0.9;
    expect(std::fabs(out[i] - (mean + 0.25 * noise[i])) < 1e-14, "x_{t-1}");
  }
}

// Points at 0, 1, 4, 9, ... on a line: the nearest other is the one before, but for the first.
void check_neighbours() {
  namespace cpu = genbench::cpu;
  constexpr int64_t count = 300, panels = (count + genbench::kPanel - 1) / genbench::kPanel;
  std::vector<float> rows(count), tiles(panels * genbench::kPanel, NAN);
  for (int64_t i = 0; i < count; ++i) rows[i] = tiles[i] = static_cast<float>(i * i);
  const genbench::Points<float> x{tiles.data(), rows.data(), 1, count, 1};
  std::vector<double> best(count, INFINITY);
  std::vector<uint8_t> locks(panels);
  const genbench::NearestOthers<float> job{x, 1, best.data(), locks.data()};
  cpu::nearest_others(job, 0, cpu::nearest_others_steps(count));
  for (int64_t i = 0; i < count; ++i) {
    const double step = i == 0 ? 1 : 2.0 * i - 1;
    expect(best[i] == step * step, "nearest other");
  }
  std::vector<int64_t> balls(count), held(count), back(count), index(count);
  const genbench::CountInside<float> inside{
      x, x, best.data(), best.data(), balls.data(), held.data(), back.data()};
  cpu::count_inside(inside, 0, cpu::count_inside_steps(count, count));
  // A ball holds its centre and the one before; the first two hold each other.
  for (int64_t i = 0; i < count; ++i) {
    expect(held[i] == 2 && balls[i] == back[i], "held by a ball");
    expect(balls[i] == 1 + (i < count - 1) + (i == 1), "balls that hold a point");
  }
  std::vector<double> to(count, INFINITY);
  const genbench::NearestIn<float> in{x, x, 1, to.data(), index.data()};
  cpu::nearest_in(in, 0, cpu::nearest_in_steps(count));
  for (int64_t i = 0; i < count; ++i) expect(to[i] == 0 && index[i] == i, "nearest of a copy");
}

}  // namespace

int main() {
  std::printf("instruction set: %s\n", genbench::cpu::name(genbench::cpu::instruction_set()));
  check_philox();
  check_shards();
  check_reparameterize_kl(7, 5);
  check_reparameterize_kl(2, 5000);
  check_gan_bce(3, 1);
  check_gan_bce(5000, 0.9);
  check_gradient_penalty(700, 3, 1);
  check_gradient_penalty(3, 5000, 1e-150);
  check_gradient_penalty(3, 5000, 1e200);
  check_interpolate(700, 3);
  check_interpolate(2, 5000);
  check_ddpm(700, 3);
  check_neighbours();
  return failures == 0 ? 0 : 1;
}
