#pragma once

namespace triptych {

// gRPC 1.51 runs callbacks on threads that end with the last channel and server that use them. Where a callback drops that last one, a thread
// would wait for itself, and the process aborts. From the first call of this on, the threads stay. Thread-safe.
void KeepCallbackThreads();

}  // namespace triptych
