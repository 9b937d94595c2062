#pragma once

#include <memory>

#include "common/async/io_runtime.h"
#include "common/rpc/channel_pool.h"
#include "router/worker_handle.h"

namespace triptych::router {

// Follows one decoder's cache events into its handle until the worker is fenced. What is missed only costs a worse choice: the stream
// starts with a snapshot whenever it is taken up again. `channels` outlives it.
void WatchCache(IoRuntime* runtime, ChannelPool* channels, std::shared_ptr<WorkerHandle> worker);

}  // namespace triptych::router
