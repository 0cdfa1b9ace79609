// The reparameterize_kl kernels for any machine.
#include "baseline.h"  // first
#include "reparameterize_kl_kernel.h"
