#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "router/compose/stage_prompts.h"
#include "router/image_store.h"
#include "router/in_process_stream.h"
#include "triptych/v1/inference.pb.h"

namespace triptych::router {

// Serves a Generate call to its end, writing its events into the stream.
using Generate = std::function<Task<Status>(std::shared_ptr<GenerateStream>, v1::GenerateRequest)>;

// A picture that a stage shows.
struct StagePicture {
  StoredImage image;
  uint32_t max_tiles = 0;
};

// The Generate calls that one article makes, on the article's own strand, with its deadline,
// tenant and trace: what holds for any client's streams holds for them.
class ModelCaller {
 public:
  struct Call {
    std::string name;  // of the stage: part of the request's id, and of its seed
    StagePrompt prompt;
    std::vector<StagePicture> pictures;
    StageSettings settings;
    std::vector<std::string> choices;                        // empty: the answer is free
    std::function<void(const v1::GenerateEvent&)> on_event;  // on the strand; may be empty
  };
  struct Answer {
    std::string text;
    int32_t tokens = 0;
    bool ended = false;  // by itself, rather than for want of room
    v1::Timings timings;
  };
  struct Identity {
    std::string request_id;
    std::string model;
    uint64_t seed = 0;
  };

  ModelCaller(
      const ModelCard* card, Identity identity, CallInfo info, Strand strand, Generate generate)
      : card_(*card),
        identity_(std::move(identity)),
        info_(std::move(info)),
        strand_(std::move(strand)),
        generate_(std::move(generate)) {}

  // Each call's seed is drawn from the article's and the call's name, so that no call's answer
  // hangs on how many came before.
  static Task<StatusOr<Answer>> Run(std::shared_ptr<ModelCaller> self, Call call);
  // Whether the prompt and as much of an answer as its settings ask for fit into the model's
  // context. Contexts too small for that need only have room for a quarter of themselves.
  bool Fits(const StagePrompt& prompt,
            const std::vector<StagePicture>& pictures,
            const StageSettings& settings) const;
  void Cancel();  // all calls, also later ones

  bool cancelled() const { return cancelled_; }
  TimePoint deadline() const { return info_.deadline; }

 private:
  class Stream;
  StatusOr<v1::GenerateRequest> MakeRequest(const Call& call) const;

  const ModelCard& card_;
  const Identity identity_;
  const CallInfo info_;
  const Strand strand_;
  const Generate generate_;
  std::vector<std::weak_ptr<Stream>> streams_;
  bool cancelled_ = false;
};

}  // namespace triptych::router
