#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/async/io_runtime.h"
#include "common/limits.h"
#include "common/model_card/model_card.h"
#include "common/rpc/channel_pool.h"
#include "common/rpc/outgoing_queue.h"
#include "common/rpc/server_call.h"
#include "router/decode_call.h"
#include "router/metrics.h"
#include "router/output_relay.h"
#include "router/prepared_prompt.h"
#include "router/stage_clock.h"
#include "router/validation/options.h"
#include "router/worker_pool.h"

namespace triptych::router {

// What all requests of a router share. Everything outlives them.
struct SessionContext {
  ChannelPool* channels = nullptr;
  WorkerPool* workers = nullptr;
  Metrics* metrics = nullptr;
  Duration worker_wait{};  // for a worker that can take a request
  int64_t max_unsent_bytes = kMaxUnsentBytesPerStream;  // of one request, before its client counts as slow
};

// A request that was checked: all that workers are told of it.
struct AcceptedRequest {
  std::string id;
  std::string model;
  const ModelCard* card = nullptr;
  std::string tenant;
  GenerateOptions options;     // with its seed
  int32_t max_new_tokens = 0;  // resolved
  PreparedPrompt prompt;
};

// One accepted Generate call: finds a decoder and encoders, relays, and goes on elsewhere when a worker is lost. Lives on the call's strand.
class RequestSession final : public std::enable_shared_from_this<RequestSession> {
 public:
  using Stream = ServerStream<v1::GenerateRequest, v1::GenerateEvent>;

  RequestSession(const SessionContext* context, std::shared_ptr<Stream> stream, AcceptedRequest request, TimePoint arrived);

  static Task<Status> Run(std::shared_ptr<RequestSession> self);

 private:
  // One decoder's turn.
  struct Attempt {
    WorkLease decoder;
    std::shared_ptr<DecodeCall> call;
    Status failure;         // found out beside the stream: a picture that cannot be had, a slow reader
    bool admitted = false;
    bool over = false;
  };
  struct Picture {
    std::set<uint64_t> failed_encoders;  // incarnations, of this attempt
    int tries = 0;
    bool encoding = false;
    bool wanted = false;   // the decoder has lost its source meanwhile
  };

  static Task<Status> Serve(std::shared_ptr<RequestSession> self);
  static Task<StatusOr<WorkLease>> AwaitDecoder(std::shared_ptr<RequestSession> self);
  static Task<Status> RunAttempt(std::shared_ptr<RequestSession> self, std::shared_ptr<Attempt> attempt);
  static Task<void> EncodePicture(std::shared_ptr<RequestSession> self, std::shared_ptr<Attempt> attempt, size_t index, std::shared_ptr<WorkLease> first);
  static Task<StatusOr<internal::v1::EncodeResponse>> CallEncoder(std::shared_ptr<RequestSession> self, std::shared_ptr<WorkLease> encoder, size_t index,
                                                                     uint64_t decoder);

  void StartPicture(const std::shared_ptr<Attempt>& attempt, size_t index, internal::v1::EmbeddingSource* source);
  static void SendSource(Attempt& attempt, size_t index, const std::string& address);
  internal::v1::StartDecode MakeStart(const WorkerHandle& worker) const;
  Status Handle(const std::shared_ptr<Attempt>& attempt, const internal::v1::DecodeEvent& event);
  Status Relay(const std::shared_ptr<Attempt>& attempt, OutputRelay::Step step);
  Status HandleAdmitted(const internal::v1::Admitted& admitted);
  Status Judge(const Attempt& attempt, Status status);  // OK: another attempt may be made
  Status NoteDeath(const WorkerHandle& worker);         // kUnavailable (reason WORKERS_DIED) once it is one too many
  void Fail(Attempt& attempt, Status why);
  Status SendProgress(v1::Progress::Stage stage, size_t done, size_t total);
  v1::Timings Timings(const internal::v1::EngineTimings* engine) const;
  CallOptions Options(TimePoint deadline) const;

  const SessionContext& context_;
  const std::shared_ptr<Stream> stream_;
  const AcceptedRequest request_;
  std::vector<uint64_t> blocks_;
  OutgoingQueue<v1::GenerateRequest, v1::GenerateEvent> outgoing_;
  OutputRelay relay_;
  StageClock clock_;
  std::vector<Picture> pictures_;
  std::shared_ptr<Attempt> attempt_;  // the running one
  std::map<uint64_t, TimePoint> excluded_;  // incarnations, until when
  std::optional<internal::v1::ModelIdentity> identity_;  // of the first decoder that gave output
  std::optional<TimePoint> last_tokens_;
  size_t encoded_pictures_ = 0;
  std::set<uint64_t> dead_;     // incarnations that died while they worked for it
  int refusals_ = 0, migrations_ = 0;
  bool started_ = false;
  bool cancelled_ = false;
};

}  // namespace triptych::router
