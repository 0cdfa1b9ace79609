// The interpolate kernels for any machine.
#define GENBENCH_SET baseline
#include "interpolate_kernel.h"
