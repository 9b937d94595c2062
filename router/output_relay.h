#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/status.h"
#include "common/tokenizer/tokenizer.h"
#include "router/sequence_output.h"
#include "router/validation/options.h"
#include "triptych/internal/v1/decoder.pb.h"
#include "triptych/v1/inference.pb.h"

namespace triptych::router {

// Turns what decoders say of one request into what its client gets, whichever decoder says it: ids go into the journal first, are
// relayed once and in order, and text is made of them. A sequence that a stop string has ended takes no more ids; its Finished
// waits for the decoder's timings, or for the stream's end. Used on the request's strand.
//
// Ids are relayed as they come, also those whose text is held back; so the ids of a stop string reach the client although
// its text does not.
class OutputRelay {
 public:
  struct Step {
    std::vector<v1::GenerateEvent> events;            // for the client, in order
    std::vector<internal::v1::StopSequence> stops;    // for the decoder
  };

  // Takes up where the client is: `options.received` enters the journals, its text is not given out again.
  OutputRelay(const Tokenizer* tokenizer, const GenerateOptions& options);

  // kInternal when the decoder leaves a gap, repeats itself differently or names a sequence that is not there.
  StatusOr<Step> OnTokens(const internal::v1::Tokens& tokens);
  StatusOr<Step> OnFinished(const internal::v1::SequenceFinished& finished, v1::Timings timings);
  // Finished of the sequences that a stop string has ended and whose decoder says nothing any more.
  Step FinishStopped(const v1::Timings& timings);

  bool needs_decoder() const;   // some sequence is neither finished nor ended by a stop string
  bool finished() const;        // every sequence's Finished has been given out
  bool has_output() const;      // some id is in a journal
  int32_t output_tokens() const;
  // What a decoder that takes over is told. Empty at the start, and for beam search, which is simply run again.
  void FillResume(internal::v1::StartDecode& start) const;

 private:
  struct Sequence {
    SequenceOutput output;
    bool finished = false;
  };
  StatusOr<Sequence*> Find(uint32_t index);
  v1::GenerateEvent MakeFinished(uint32_t index, const v1::Timings& timings);
  void AddRest(uint32_t index, Step& step);

  const bool beam_search_;
  std::vector<Sequence> sequences_;
};

}  // namespace triptych::router
