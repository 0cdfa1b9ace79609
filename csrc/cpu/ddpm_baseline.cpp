// The DDPM kernels for any machine.
#define GENBENCH_SET baseline
#include "ddpm_kernel.h"
