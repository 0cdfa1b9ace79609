// The gan_bce kernels for any machine.
#include "baseline.h"  // first
#include "gan_bce_kernel.h"
