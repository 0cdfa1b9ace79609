// The noise kernels for any machine.
#define GENBENCH_SET baseline
#include "noise_kernel.h"
