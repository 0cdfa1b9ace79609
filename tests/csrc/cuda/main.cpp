// Every CUDA kernel on the emulator.
#include "check.h"

int main() {
  genbench::check_emulator();
  genbench::check_noise();
  genbench::check_reparameterize_kl();
  genbench::check_interpolate();
  genbench::check_gan_bce();
  genbench::check_ddpm();
  genbench::check_gradient_penalty();
  if (emulator::state.launches == 0) genbench::expect(false, "no kernel was launched");
  std::printf("%d launches, up to %u blocks, %d failures\n", emulator::state.launches,
              emulator::state.most_blocks, genbench::failures);
  return genbench::failures == 0 ? 0 : 1;
}
