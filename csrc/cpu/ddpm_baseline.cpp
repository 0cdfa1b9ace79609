// The DDPM kernels for any machine.
#include "baseline.h"  // first
#include "ddpm_kernel.h"
