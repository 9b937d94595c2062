#include <cstdio>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>

#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/commands/request_flags.h"
#include "common/rpc/proto_duration.h"
#include "nlohmann/json.hpp"

namespace triptych::cli {
namespace {

struct Flags {
  RequestFlags request;
  std::string text;
  std::vector<std::string> images;
  std::string system;
  std::vector<std::string> choices;
  std::string request_id;
  uint32_t top_logprobs = 0;
  bool raw = false;
  bool score_only = false;
  bool json = false;
};

StatusOr<v1::GenerateRequest> MakeRequest(const Flags& flags) {
  std::string text = flags.text;
  if (text == "-") text = std::string(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
  TRIPTYCH_ASSIGN_OR_RETURN(const std::vector<v1::Part> parts, MakeParts(text, flags.images, flags.request.max_tiles));
  v1::GenerateRequest request;
  flags.request.ApplyTo(request);
  if (flags.raw) {
    for (const v1::Part& part : parts) *request.mutable_prompt()->mutable_raw()->add_parts() = part;
  } else {
    v1::Conversation& conversation = *request.mutable_prompt()->mutable_conversation();
    if (!flags.system.empty()) {
      v1::Message& system = *conversation.add_messages();
      system.set_role(v1::ROLE_SYSTEM);
      system.add_parts()->set_text(flags.system);
    }
    v1::Message& user = *conversation.add_messages();
    user.set_role(v1::ROLE_USER);
    for (const v1::Part& part : parts) *user.add_parts() = part;
  }
  for (const std::string& choice : flags.choices) request.mutable_constraint()->mutable_choices()->add_choices(choice);
  request.set_request_id(flags.request_id);
  request.set_top_logprobs(flags.top_logprobs);
  request.set_score_only(flags.score_only);
  return request;
}

const char* Name(v1::FinishReason reason) {
  switch (reason) {
    case v1::FINISH_REASON_STOP: return "stop";
    case v1::FINISH_REASON_LENGTH: return "length";
    case v1::FINISH_REASON_CANCELLED: return "cancelled";
    default: return "unknown";
  }
}

nlohmann::json ToJson(const v1::Timings& timings) {
  const auto seconds = [](const google::protobuf::Duration& duration) { return std::chrono::duration<double>(FromProto(duration)).count(); };
  return {{"total", seconds(timings.total())},           {"admission", seconds(timings.admission())},
          {"media", seconds(timings.media())},           {"encode_queue", seconds(timings.encode_queue())},
          {"encode", seconds(timings.encode())},         {"transfer", seconds(timings.transfer())},
          {"decode_queue", seconds(timings.decode_queue())}, {"prefill", seconds(timings.prefill())},
          {"decode", seconds(timings.decode())},         {"relay", seconds(timings.relay())},
          {"migrations", timings.migrations()}};
}

// Collects the events into the one object that --json prints; of several sequences the first stands at the top.
class Collected {
 public:
  void Add(const v1::GenerateEvent& event) {
    if (event.has_started()) started_ = event.started();
    if (event.has_delta()) {
      nlohmann::json& sequence = At(event.delta().sequence());
      sequence["text"] = sequence["text"].get<std::string>() + event.delta().text();
      for (const uint32_t id : event.delta().token_ids()) sequence["token_ids"].push_back(id);
      for (const v1::TokenLogprobs& logprobs : event.delta().logprobs()) sequence["logprobs"].push_back(logprobs.logprob());
    }
    if (event.has_finished()) {
      nlohmann::json& sequence = At(event.finished().sequence());
      sequence["finish_reason"] = Name(event.finished().reason());
      if (!event.finished().stop().empty()) sequence["stop"] = event.finished().stop();
      sequence["score"] = event.finished().score();
      for (const v1::TokenLogprobs& logprobs : event.finished().prompt_logprobs()) sequence["prompt_logprobs"].push_back(logprobs.logprob());
      timings_ = event.finished().timings();
    }
  }
  std::string Dump() {
    nlohmann::json object = At(0);
    object["request_id"] = started_.request_id();
    object["model"] = started_.model();
    object["seed"] = started_.seed();
    object["prompt_tokens"] = started_.prompt_tokens();
    object["image_tokens"] = started_.image_tokens();
    object["cached_tokens"] = started_.cached_tokens();
    object["timings"] = ToJson(timings_);
    if (sequences_.size() > 1) {
      for (const auto& [index, sequence] : sequences_) object["sequences"].push_back(sequence);
    }
    return object.dump();
  }

 private:
  nlohmann::json& At(uint32_t index) {
    const auto [at, added] = sequences_.try_emplace(index);
    if (added) at->second = {{"text", ""}, {"token_ids", nlohmann::json::array()}, {"finish_reason", nullptr}};
    return at->second;
  }
  v1::Started started_;
  v1::Timings timings_;
  std::map<uint32_t, nlohmann::json> sequences_;
};

// The first sequence streams; the others follow when all is there.
class Printer {
 public:
  void Add(const v1::GenerateEvent& event) {
    if (!event.has_delta()) return;
    if (event.delta().sequence() == 0) {
      std::fwrite(event.delta().text().data(), 1, event.delta().text().size(), stdout);
      std::fflush(stdout);
    } else {
      others_[event.delta().sequence()] += event.delta().text();
    }
  }
  void Finish() {
    std::fputc('\n', stdout);
    for (const auto& [index, text] : others_) fmt::print("--- {}\n{}\n", index, text);
  }

 private:
  std::map<uint32_t, std::string> others_;
};

Status Run(const Flags& flags) {
  TRIPTYCH_ASSIGN_OR_RETURN(const v1::GenerateRequest request, MakeRequest(flags));
  TRIPTYCH_ASSIGN_OR_RETURN(Access access, flags.request.access.Open());
  Client client(flags.request.router, std::move(access));
  Collected collected;
  Printer printer;
  TRIPTYCH_RETURN_IF_ERROR(client.Generate(request, flags.request.timeout_seconds, [&](const v1::GenerateEvent& event) {
    if (flags.json) {
      collected.Add(event);
    } else {
      printer.Add(event);
    }
  }));
  if (flags.json) {
    fmt::print("{}\n", collected.Dump());
  } else {
    printer.Finish();
  }
  return OkStatus();
}

}  // namespace

void AddGenerate(CLI::App& app, int* exit_status) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("generate", "One question, with pictures, and its answer as it comes");
  flags->request.AddTo(*command);
  command->add_option("text", flags->text, "The question; - reads it from stdin. <ImageHere> marks a picture's place")->required();
  command->add_option("--image", flags->images, "A picture file; repeatable")->take_all()->expected(1);
  command->add_option("--system", flags->system, "The system message");
  command->add_option("--choice", flags->choices, "The answer is one of these; repeatable")->expected(1);
  command->add_option("--request-id", flags->request_id, "For logs");
  command->add_option("--top-logprobs", flags->top_logprobs, "With --json: log-probabilities");
  command->add_flag("--raw", flags->raw, "The text is the whole prompt: no template, special tokens act");
  command->add_flag("--score-only", flags->score_only, "Only the prompt's log-probabilities (with --json)");
  command->add_flag("--json", flags->json, "Print one JSON object at the end");
  command->callback([flags, exit_status] { *exit_status = Report("generate", Run(*flags)); });
}

}  // namespace triptych::cli
