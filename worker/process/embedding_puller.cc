#include "worker/process/embedding_puller.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

#include <ATen/ops/from_blob.h>
#include <boost/asio/this_coro.hpp>
#include <xxhash.h>

#include "common/async/rpc_call.h"
#include "common/limits.h"

namespace triptych::worker {

using internal::v1::EmbeddingChunk;
using internal::v1::Encoder;
using internal::v1::FetchEmbeddingRequest;

static_assert(std::endian::native == std::endian::little, "rows travel as little-endian float32");

Task<Status> EmbeddingPuller::Fetch(
    std::string address, EmbeddingKey key, int32_t rows, TimePoint deadline, std::string request_id) {
  return Run(this, std::move(address), key, rows, deadline, std::move(request_id));
}

Task<Status> EmbeddingPuller::Run(EmbeddingPuller* self,
                                  std::string address,
                                  EmbeddingKey key,
                                  int32_t rows,
                                  TimePoint deadline,
                                  std::string request_id) {
  const auto executor = co_await asio::this_coro::executor;
  const Strand strand = asio::make_strand(executor);
  const std::shared_ptr<ChangeSignal::Waiter> waiter = self->ended_.Subscribe(strand);
  while (true) {
    const vision::EmbeddingStore::Pin pin = self->store_.Find(key);
    if (pin && pin.available_rows() >= rows) co_return OkStatus();
    if (self->Begin(key)) break;
    if (std::chrono::steady_clock::now() >= deadline) co_return DeadlineExceeded("the picture's rows did not come in time");
    Task<void> wait = waiter->Wait(std::min(deadline, std::chrono::steady_clock::now() + std::chrono::milliseconds(200)));
    co_await std::move(wait);
  }
  Task<Status> pull = Pull(self, std::move(address), key, rows, deadline, std::move(request_id));
  const Status status = co_await std::move(pull);
  self->End(key);
  co_return status;
}

Task<Status> EmbeddingPuller::Pull(EmbeddingPuller* self,
                                   std::string address,
                                   EmbeddingKey key,
                                   int32_t rows,
                                   TimePoint deadline,
                                   std::string request_id) {
  const vision::EmbeddingStore::Pin pin = self->store_.Find(key);
  if (!pin) co_return NotFound("nobody waits for the picture any more");
  auto request = std::make_shared<FetchEmbeddingRequest>();
  request->set_key(std::string(key.digest.begin(), key.digest.end()));
  request->set_first_row(pin.available_rows());
  request->set_wait_ms(static_cast<uint32_t>(std::chrono::milliseconds(kEmbeddingPin).count()));
  request->set_request_id(std::move(request_id));
  request->set_decoder(self->decoder_);
  auto stub = std::shared_ptr(Encoder::NewStub(self->channels_.Get(address, ChannelPool::Purpose::kBulk)));
  auto reader = ClientReader<EmbeddingChunk>::Start({deadline}, [stub, request](auto* context, auto* reactor) {
    stub->async()->FetchEmbedding(context, request.get(), reactor);
  });
  Status broken = OkStatus();
  while (broken.ok()) {
    std::optional<EmbeddingChunk> chunk = co_await reader->Read();
    if (!chunk) break;
    broken = self->Append(key, rows, *chunk);
  }
  if (!broken.ok()) reader->Cancel();
  const Status status = co_await reader->Finish();
  if (!broken.ok()) co_return broken;
  TRIPTYCH_CO_RETURN_IF_ERROR(status);
  if (pin.available_rows() < rows) co_return Internal("the encoder gave {} of {} rows", pin.available_rows(), rows);
  co_return OkStatus();
}

Status EmbeddingPuller::Append(const EmbeddingKey& key, int32_t rows, const EmbeddingChunk& chunk) {
  const int64_t hidden = store_.hidden_size();
  const int64_t count = chunk.rows();
  if (chunk.hidden_size() != hidden || static_cast<int32_t>(chunk.total_rows()) != rows || count < 1 || count > rows ||
      static_cast<int64_t>(chunk.data().size()) != count * hidden * 4) {
    return Internal("a chunk of {} rows of {} ({} bytes) does not fit {} rows of {}", count, chunk.hidden_size(),
                    chunk.data().size(), rows, hidden);
  }
  if (XXH3_64bits(chunk.data().data(), chunk.data().size()) != chunk.checksum()) {
    return Internal("a chunk's checksum is wrong");
  }
  const at::Tensor tensor = at::from_blob(const_cast<char*>(chunk.data().data()), {count, hidden}, at::kFloat);
  return store_.Append(key, static_cast<int32_t>(chunk.first_row()), tensor);
}

bool EmbeddingPuller::Begin(const EmbeddingKey& key) {
  std::lock_guard lock(mutex_);
  return in_flight_.insert(key).second;
}

void EmbeddingPuller::End(const EmbeddingKey& key) {
  {
    std::lock_guard lock(mutex_);
    in_flight_.erase(key);
  }
  ended_.Notify();
}

}  // namespace triptych::worker
