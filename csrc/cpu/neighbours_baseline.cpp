// The neighbours kernels for any machine.
#include "baseline.h"  // first
#include "neighbours_kernel.h"
