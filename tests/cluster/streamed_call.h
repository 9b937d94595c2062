#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include <grpcpp/grpcpp.h>

#include "common/rpc/grpc_status.h"
#include "gtest/gtest.h"
#include "tests/cluster/await.h"
#include "triptych/v1/inference.grpc.pb.h"

namespace triptych::cluster_test {

// A call that answers with a stream of events, read by a thread of its own, at once or only when its
// end is waited for. `Heard` is what comes of the events, and the status that ends them.
template <typename Event, typename Heard>
class StreamedCall {
 public:
  void Cancel() { context_.TryCancel(); }
  const Heard& Finish() {  // waits for the end
    if (thread_.joinable()) {
      thread_.join();
    } else if (!over_) {
      Read();
    }
    return heard_;
  }

 protected:
  StreamedCall(std::shared_ptr<grpc::Channel> channel, std::chrono::milliseconds limit)
      : stub_(v1::Inference::NewStub(std::move(channel))) {
    context_.set_deadline(std::chrono::system_clock::now() + limit);
  }
  ~StreamedCall() = default;
  // The end of a subclass's constructor, and the whole of its destructor.
  void Begin(std::unique_ptr<grpc::ClientReader<Event>> reader, bool at_once) {
    reader_ = std::move(reader);
    if (at_once) thread_ = std::thread([this] { Read(); });
  }
  void End() {
    Cancel();
    Finish();
  }
  virtual void Take(const Event& event) = 0;  // under the mutex
  template <typename Condition>
  void Await(const Condition& condition) {  // or the end
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return over_ || condition(); }));
    EXPECT_TRUE(condition()) << heard_.why();
  }

  const std::unique_ptr<v1::Inference::Stub> stub_;
  grpc::ClientContext context_;
  Heard heard_;  // guarded by mutex_ until over

 private:
  void Read() {
    Event event;
    while (reader_->Read(&event)) {
      std::lock_guard lock(mutex_);
      Take(event);
      changed_.notify_all();
    }
    const Status status = FromGrpc(reader_->Finish());
    std::lock_guard lock(mutex_);
    heard_.status = status;
    over_ = true;
    changed_.notify_all();
  }

  std::unique_ptr<grpc::ClientReader<Event>> reader_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace triptych::cluster_test
