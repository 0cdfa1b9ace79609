#define GENBENCH_SET baseline
#include "noise_kernel.h"
