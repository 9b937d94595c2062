#include "tests/cluster/worker_shell.h"

#include <utility>

#include "common/check.h"
#include "common/limits.h"

namespace triptych::cluster_test {

WorkerShell::WorkerShell(const Surroundings& around, std::string id, uint64_t incarnation, internal::v1::WorkerRole role)
    : around_(around),
      id_(std::move(id)),
      incarnation_(incarnation),
      role_(role),
      server_({.listen = Endpoint{}, .max_message_bytes = kMaxGrpcMessageBytes, .max_streams_per_connection = 4096}) {}

void WorkerShell::Start(grpc::Service* service, std::function<void(internal::v1::Heartbeat&)> report) {
  server_.AddService(service);
  const Status status = server_.Start();
  TRIPTYCH_CHECK(status.ok());
  server_.SetServing(true);
  address_ = Endpoint{"127.0.0.1", server_.port()}.ToString();
  link_ = std::make_unique<WorkerLink>(around_.runtime, around_.channels, around_.coordinator,
                                       WorkerLink::Callbacks{.registration = [this] { return MakeRegistration(); },
                                                             .report =
                                                                 [report = std::move(report)] {
                                                                   internal::v1::Heartbeat heartbeat;
                                                                   heartbeat.set_state(internal::v1::WORKER_STATE_READY);
                                                                   report(heartbeat);
                                                                   return heartbeat;
                                                                 },
                                                             .on_command =
                                                                 [this](const internal::v1::WorkerCommand& command) {
                                                                   if (command.has_stop()) told_to_stop_ = true;
                                                                 },
                                                             .on_refused = [this](const Status&) { told_to_stop_ = true; }});
  link_->Start();
}

internal::v1::Register WorkerShell::MakeRegistration() const {
  internal::v1::Register registration;
  registration.set_worker_id(id_);
  registration.set_incarnation(incarnation_);
  registration.add_roles(role_);
  registration.set_address(address_);
  *registration.mutable_model() = around_.identity;
  registration.mutable_capacity()->set_max_sequences(64);
  registration.mutable_capacity()->set_block_tokens(kBlockTokens);
  if (role_ == internal::v1::WORKER_ROLE_DECODER) {
    registration.mutable_group()->set_group(id_);
    registration.mutable_group()->set_num_ranks(1);
    registration.mutable_group()->set_world_size(1);
  }
  return registration;
}

void WorkerShell::Kill() {
  killer_ = std::thread([this] { server_.Stop(std::chrono::milliseconds(0)); });
}

void WorkerShell::Stop() {
  if (link_) link_->Stop();
  if (killer_.joinable()) killer_.join();
  server_.Stop(std::chrono::milliseconds(0));
}

}  // namespace triptych::cluster_test
