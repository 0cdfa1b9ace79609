// The gradient_penalty kernels for any machine.
#define GENBENCH_SET baseline
#include "gradient_penalty_kernel.h"
