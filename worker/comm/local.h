#pragma once

#include <memory>
#include <vector>

#include "worker/comm/communicator.h"

namespace triptych::comm {

// Communicators of `size` rank threads of this process, in rank order: tensors pass through shared memory. A rank that waits for the others
// waits for as long as they take, or until Abort; a watchdog elsewhere decides how long is too long.
std::vector<std::unique_ptr<Communicator>> MakeLocalGroup(int size);

}  // namespace triptych::comm
