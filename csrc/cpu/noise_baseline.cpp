// The noise kernels for any machine.
#include "baseline.h"  // first
#include "noise_kernel.h"
