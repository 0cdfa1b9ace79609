// The gan_bce kernels for any machine.
#define GENBENCH_SET baseline
#include "gan_bce_kernel.h"
