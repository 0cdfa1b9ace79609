// The reparameterize_kl kernels for any machine.
#define GENBENCH_SET baseline
#include "reparameterize_kl_kernel.h"
