#include "worker/comm/gloo.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include <csignal>
#include <mutex>

#include "common/check.h"
#include "worker/comm/rank_order_sum.h"

namespace triptych::comm {
namespace {

// What c10d calls a store, over our rendezvous. Gloo's connecting uses set, get and wait alone.
class RendezvousStore final : public c10d::Store {
 public:
  RendezvousStore(Rendezvous* rendezvous, std::chrono::milliseconds timeout) : rendezvous_(rendezvous), limit_(timeout) {}

  c10::intrusive_ptr<c10d::Store> clone() override { return c10::make_intrusive<RendezvousStore>(rendezvous_, limit_); }
  void set(const std::string& key, const std::vector<uint8_t>& value) override {
    Check(rendezvous_->Put(key, std::string(value.begin(), value.end())));
  }
  std::vector<uint8_t> get(const std::string& key) override {
    const std::string value = Find(key, limit_);
    return {value.begin(), value.end()};
  }
  void wait(const std::vector<std::string>& keys) override { wait(keys, limit_); }
  void wait(const std::vector<std::string>& keys, const std::chrono::milliseconds& timeout) override {
    for (const std::string& key : keys) Find(key, timeout);
  }
  int64_t add(const std::string&, int64_t) override { Unused("add"); }
  bool deleteKey(const std::string&) override { Unused("deleteKey"); }
  bool check(const std::vector<std::string>&) override { Unused("check"); }
  int64_t getNumKeys() override { Unused("getNumKeys"); }

 private:
  [[noreturn]] static void Unused(const char* what) { throw CommunicatorError(std::string("the rendezvous has no ") + what); }
  static void Check(const Status& status) {
    if (!status.ok()) throw CommunicatorError(std::string(Message(status)));
  }
  std::string Find(const std::string& key, std::chrono::milliseconds timeout) {
    StatusOr<std::string> value = rendezvous_->Get(key, std::chrono::steady_clock::now() + timeout);
    Check(value.status());
    return *std::move(value);
  }

  Rendezvous* const rendezvous_;
  const std::chrono::milliseconds limit_;
};

class GlooCommunicator final : public Communicator {
 public:
  GlooCommunicator(c10::intrusive_ptr<c10d::ProcessGroupGloo> group, const GlooOptions& options)
      : group_(std::move(group)), rank_(options.rank), size_(options.size) {}

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void AllReduceSum(at::Tensor& data) override {
    if (size_ > 1) data.copy_(SumInRankOrder(Gather(data)));
  }
  at::Tensor AllGather(const at::Tensor& part) override { return size_ == 1 ? part : at::cat(Gather(part), -1); }
  void Broadcast(at::Tensor& data, int root) override {
    if (size_ == 1) return;
    std::vector<at::Tensor> tensors = {data};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    Run([&] { return group_->broadcast(tensors, options); });
  }
  void Abort(const Status& why) override {
    std::lock_guard lock(mutex_);
    if (aborted_.empty()) aborted_ = why.ok() ? "the group was stopped" : std::string(Message(why));
  }

 private:
  std::vector<at::Tensor> Gather(const at::Tensor& part) {
    std::vector<std::vector<at::Tensor>> out(1);
    for (int rank = 0; rank < size_; ++rank) out[0].push_back(at::empty_like(part));
    std::vector<at::Tensor> in = {part};
    Run([&] { return group_->allgather(out, in); });
    return std::move(out[0]);
  }

  template <typename Start>
  void Run(Start start) {
    ThrowIfAborted();
    try {
      Started(start)->wait();
    } catch (const std::exception& error) {
      throw CommunicatorError(std::string("a collective between processes failed: ") + error.what());
    }
    ThrowIfAborted();
  }
  // One at a time in this process: libtorch 2.11 notes each start in a flight recorder that all groups share, and looks up the group there
  // (FlightRecorder::record, all_pg_status_) without a lock. Two ranks of one process that begin their first collectives crash in it.
  template <typename Start>
  static auto Started(Start start) {
    static std::mutex recorder;
    std::lock_guard lock(recorder);
    return start();
  }
  void ThrowIfAborted() {
    std::lock_guard lock(mutex_);
    if (!aborted_.empty()) throw CommunicatorError(aborted_);
  }

  const c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
  const int rank_, size_;
  std::mutex mutex_;
  std::string aborted_;  // why; guarded by mutex_
};

// Gloo writes to its sockets without MSG_NOSIGNAL: by default a peer that dies at the wrong moment would end this process too.
void IgnoreBrokenPipes() {
  struct sigaction current {};
  if (sigaction(SIGPIPE, nullptr, &current) == 0 && current.sa_handler == SIG_DFL) std::signal(SIGPIPE, SIG_IGN);
}

}  // namespace

StatusOr<std::unique_ptr<Communicator>> ConnectGloo(const GlooOptions& options, Rendezvous* rendezvous) {
  TRIPTYCH_CHECK(options.rank >= 0 && options.rank < options.size);
  IgnoreBrokenPipes();
  try {
    auto gloo = c10d::ProcessGroupGloo::Options::create(options.timeout);
    gloo->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(options.host));
    gloo->threads = 1;
    auto store = c10::make_intrusive<RendezvousStore>(rendezvous, options.timeout);
    auto group = c10::make_intrusive<c10d::ProcessGroupGloo>(store, options.rank, options.size, gloo);
    return std::make_unique<GlooCommunicator>(std::move(group), options);
  } catch (const std::exception& error) {
    return Unavailable("rank {} of {} did not meet the others: {}", options.rank, options.size, error.what());
  }
}

}  // namespace triptych::comm
