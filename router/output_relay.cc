#include "router/output_relay.h"

#include <algorithm>
#include <utility>

namespace triptych::router {
namespace {

// How many of `tokens` the journal has already; they must be the same.
StatusOr<int32_t> CountRepeated(const internal::v1::Tokens& tokens,
                                const std::vector<TokenId>& journal) {
  if (tokens.offset() > journal.size()) {
    return Internal("the decoder left a gap: token {} came after {}",
                    tokens.offset(),
                    static_cast<int64_t>(journal.size()) - 1);
  }
  const size_t repeated =
      std::min<size_t>(journal.size() - tokens.offset(), static_cast<size_t>(tokens.ids_size()));
  for (size_t i = 0; i < repeated; ++i) {
    if (std::cmp_equal(tokens.ids(static_cast<int>(i)), journal[tokens.offset() + i])) continue;
    return Internal("the decoder gave another token {} than before", tokens.offset() + i);
  }
  return static_cast<int32_t>(repeated);
}

}  // namespace

OutputRelay::OutputRelay(const Tokenizer* tokenizer, const GenerateOptions& options)
    : beam_search_(options.beam_search()) {
  for (int32_t i = 0; i < options.num_sequences(); ++i) {
    sequences_.push_back(
        {SequenceOutput(tokenizer, options.stopping.stop, options.stopping.min_new_tokens)});
  }
  for (size_t i = 0; i < options.received.size(); ++i) {
    sequences_[i].output.Append(options.received[i].ids);
    sequences_[i].finished = options.received[i].finished;
  }
}

StatusOr<OutputRelay::Step> OutputRelay::OnTokens(const internal::v1::Tokens& tokens) {
  Step step;
  TRIPTYCH_ASSIGN_OR_RETURN(Sequence * sequence, Find(tokens.sequence()));
  if (sequence->finished || sequence->output.stop()) return step;
  const size_t before = sequence->output.ids().size();
  TRIPTYCH_ASSIGN_OR_RETURN(const int32_t repeated, CountRepeated(tokens, sequence->output.ids()));
  const std::vector<TokenId> ids(tokens.ids().begin() + repeated, tokens.ids().end());
  if (ids.empty()) return step;
  SequenceOutput::Piece piece = sequence->output.Append(ids);
  v1::Delta* delta = step.events.emplace_back().mutable_delta();
  delta->set_sequence(tokens.sequence());
  delta->set_offset(static_cast<uint32_t>(before));
  delta->mutable_token_ids()->Add(ids.begin(), ids.begin() + piece.taken);
  delta->set_text(std::move(piece.text));
  for (int i = repeated; i < std::min(repeated + piece.taken, tokens.logprobs_size()); ++i) {
    *delta->add_logprobs() = tokens.logprobs(i);
  }
  if (sequence->output.stop()) {
    internal::v1::StopSequence& stop = step.stops.emplace_back();
    stop.set_sequence(tokens.sequence());
    stop.set_output_tokens(static_cast<uint32_t>(sequence->output.ids().size()));
  }
  return step;
}

StatusOr<OutputRelay::Step> OutputRelay::OnFinished(const internal::v1::SequenceFinished& finished,
                                                    v1::Timings timings) {
  Step step;
  TRIPTYCH_ASSIGN_OR_RETURN(Sequence * sequence, Find(finished.sequence()));
  if (sequence->finished) return step;
  const SequenceOutput& output = sequence->output;
  if (!output.stop() && finished.output_tokens() != output.ids().size()) {
    return Internal("the decoder finished a sequence with {} tokens after it had given {}",
                    finished.output_tokens(),
                    output.ids().size());
  }
  AddRest(finished.sequence(), step);
  v1::GenerateEvent event = MakeFinished(finished.sequence(), timings);
  if (!output.stop()) event.mutable_finished()->set_reason(finished.reason());
  event.mutable_finished()->set_score(finished.score());
  *event.mutable_finished()->mutable_prompt_logprobs() = finished.prompt_logprobs();
  step.events.push_back(std::move(event));
  return step;
}

OutputRelay::Step OutputRelay::FinishStopped(const v1::Timings& timings) {
  Step step;
  for (uint32_t i = 0; i < sequences_.size(); ++i) {
    if (sequences_[i].finished || !sequences_[i].output.stop()) continue;
    step.events.push_back(MakeFinished(i, timings));
  }
  return step;
}

// Text that was held back goes out with no ids.
void OutputRelay::AddRest(uint32_t index, Step& step) {
  SequenceOutput& output = sequences_[index].output;
  std::string rest = output.Finish();
  if (rest.empty()) return;
  v1::Delta* delta = step.events.emplace_back().mutable_delta();
  delta->set_sequence(index);
  delta->set_offset(static_cast<uint32_t>(output.ids().size()));
  delta->set_text(std::move(rest));
}

v1::GenerateEvent OutputRelay::MakeFinished(uint32_t index, const v1::Timings& timings) {
  Sequence& sequence = sequences_[index];
  sequence.finished = true;
  v1::GenerateEvent event;
  v1::Finished* finished = event.mutable_finished();
  finished->set_sequence(index);
  finished->set_reason(v1::FINISH_REASON_STOP);
  finished->set_output_tokens(static_cast<uint32_t>(sequence.output.ids().size()));
  if (sequence.output.stop()) finished->set_stop(*sequence.output.stop());
  *finished->mutable_timings() = timings;
  return event;
}

StatusOr<OutputRelay::Sequence*> OutputRelay::Find(uint32_t index) {
  if (index < sequences_.size()) return &sequences_[index];
  return Internal("the decoder speaks of sequence {} of {}", index, sequences_.size());
}

bool OutputRelay::needs_decoder() const {
  return std::ranges::any_of(
      sequences_, [](const Sequence& s) { return !s.finished && !s.output.stop(); });
}

bool OutputRelay::finished() const {
  return std::ranges::all_of(sequences_, [](const Sequence& s) { return s.finished; });
}

bool OutputRelay::has_output() const { return output_tokens() > 0; }

int32_t OutputRelay::output_tokens() const {
  size_t tokens = 0;
  for (const Sequence& sequence : sequences_) tokens += sequence.output.ids().size();
  return static_cast<int32_t>(tokens);
}

void OutputRelay::FillResume(internal::v1::StartDecode& start) const {
  start.clear_resume();
  if (beam_search_) return;
  const auto untouched = [](const Sequence& s) { return !s.finished && s.output.ids().empty(); };
  if (std::ranges::all_of(sequences_, untouched)) return;
  for (uint32_t i = 0; i < sequences_.size(); ++i) {
    v1::Received* received = start.add_resume();
    received->set_sequence(i);
    const std::vector<TokenId>& ids = sequences_[i].output.ids();
    received->mutable_token_ids()->Add(ids.begin(), ids.end());
    received->set_finished(sequences_[i].finished || sequences_[i].output.stop().has_value());
  }
}

}  // namespace triptych::router
