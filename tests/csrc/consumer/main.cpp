#include <genbench/cpu/dispatch.h>
#include <genbench/reparameterize_kl.h>

#include <cstdio>
#include <vector>

int main() {
  const int64_t rows = 4, cols = 16, seed[] = {7};
  std::vector<float> mu(rows * cols, 1.0f), logvar(rows * cols, 0.0f), z(rows * cols), kl(rows);

  genbench::ReparameterizeKlForward<float> job{};
  job.mu = mu.data();
  job.logvar = logvar.data();
  job.seed = {seed, 1};
  job.rows = rows;
  job.cols = cols;
  job.z = z.data();
  job.kl = kl.data();
  // Threads may share the steps in any way: the result keeps every bit.
  genbench::cpu::reparameterize_kl_forward(job, 0, genbench::cpu::row_steps(rows, cols));

  const char* set = genbench::cpu::name(genbench::cpu::instruction_set());
  std::printf("z[0] = %.5f, kl[0] = %.5f nats, %s\n", z[0], kl[0], set);
}
