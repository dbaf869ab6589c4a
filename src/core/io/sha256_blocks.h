#pragma once
#include <cstddef>
#include <cstdint>

namespace diptych {

/// SHA-256's compression of `blocks` x 64 bytes into `state`, without special instructions. Sha256 uses the processor's
/// own where it has them; a test compares the two.
void sha256_blocks_portable(uint32_t* state, const uint8_t* bytes, size_t blocks);

}  // namespace diptych
