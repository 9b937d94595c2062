#include "common/rpc/channel_pool.h"

#include "common/limits.h"
#include "common/rpc/callback_threads.h"
#include "fmt/format.h"

namespace triptych {
namespace {

std::shared_ptr<grpc::Channel> Connect(const std::string& address,
                                       const std::shared_ptr<grpc::ChannelCredentials>& credentials,
                                       const char* name) {
  KeepCallbackThreads();
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(kKeepalivePing.count()));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, static_cast<int>(kKeepaliveAck.count()));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // else equal channels share one connection
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  // In spite of its name: how long an attempt to connect may take. A busy peer needs more than its turn of the backoff.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, static_cast<int>((kKeepalivePing + kKeepaliveAck).count()));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetMaxReceiveMessageSize(kMaxGrpcMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxGrpcMessageBytes);
  if (credentials == nullptr) return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  arguments.SetSslTargetNameOverride(name);
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

std::string KeyOf(std::string_view address, ChannelPool::Purpose purpose) {
  return fmt::format("{}/{}", address, static_cast<int>(purpose));
}

}  // namespace

std::shared_ptr<grpc::Channel> ChannelPool::Get(std::string_view address, Purpose purpose, const char* name) {
  const std::string key = KeyOf(address, purpose);
  std::lock_guard lock(mutex_);
  std::shared_ptr<grpc::Channel>& channel = channels_[key];
  if (channel != nullptr) return channel;
  std::shared_ptr<grpc::Channel> made = Connect(std::string(address), credentials_, name);
  channel = made;
  std::erase_if(channels_, [](const auto& entry) {
    return entry.second.use_count() == 1 && entry.second->GetState(/*try_to_connect=*/false) != GRPC_CHANNEL_READY;
  });
  return made;
}

size_t ChannelPool::size() const {
  std::lock_guard lock(mutex_);
  return channels_.size();
}

}  // namespace triptych
