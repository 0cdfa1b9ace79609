#define GENBENCH_SET baseline
#include "reparameterize_kl_kernel.h"
