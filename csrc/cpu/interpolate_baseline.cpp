// The interpolate kernels for any machine.
#include "baseline.h"  // first
#include "interpolate_kernel.h"
