// Compiles what follows it in a source for any machine.
#pragma once

#define GENBENCH_SET baseline
#define GENBENCH_VECTOR_BYTES 0  // what the compiler finds
