// How the pairs of rows are cut into steps: blocks of a few panels against blocks, so that a panel
// that comes from memory meets several that are in the cache.
#pragma once

#include "../neighbours.h"

namespace genbench::cpu {

constexpr int kBlockPanels = 4;
constexpr int kBlockRows = kBlockPanels * kPanel;

static inline int64_t block_count(int64_t rows) { return (rows + kBlockRows - 1) / kBlockRows; }

}  // namespace genbench::cpu
