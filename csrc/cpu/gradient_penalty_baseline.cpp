// The gradient_penalty kernels for any machine.
#include "baseline.h"  // first
#include "gradient_penalty_kernel.h"
