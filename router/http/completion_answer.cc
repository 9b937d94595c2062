#include "router/http/completion_answer.h"

#include <algorithm>
#include <utility>

#include "router/http/json_text.h"

namespace triptych::router {
namespace {

using nlohmann::json;

constexpr float kLeastLogprob = -9999;  // JSON has no infinity

float Finite(float logprob) { return std::max(logprob, kLeastLogprob); }

size_t CountCharacters(std::string_view utf8) {
  return static_cast<size_t>(
      std::ranges::count_if(utf8, [](unsigned char c) { return (c & 0xc0) != 0x80; }));
}

std::string_view ReasonName(v1::FinishReason reason) {
  return reason == v1::FINISH_REASON_LENGTH ? "length" : "stop";
}

// The log-probabilities of one part behind those of another, by their lists.
void Append(json& all, const json& more) {
  if (all.is_null()) {
    all = more;
    return;
  }
  for (const auto& [key, list] : more.items()) {
    if (list.is_array()) all[key].insert(all[key].end(), list.begin(), list.end());
  }
}

}  // namespace

CompletionAnswer::CompletionAnswer(Shape shape, const Tokenizer* tokenizer)
    : shape_(shape), tokenizer_(*tokenizer), choices_(shape.num_choices) {}

json CompletionAnswer::Head() const {
  const bool chat = shape_.form == CompletionForm::kChat;
  const char* object = !chat           ? "text_completion"
                       : shape_.stream ? "chat.completion.chunk"
                                       : "chat.completion";
  return {{"id", (chat ? "chatcmpl-" : "cmpl-") + started_.request_id()},
          {"object", object},
          {"created", shape_.created},
          {"model", started_.model()}};
}

json CompletionAnswer::Usage() const {
  return {{"prompt_tokens", started_.prompt_tokens()},
          {"completion_tokens", output_tokens_},
          {"total_tokens", started_.prompt_tokens() + output_tokens_},
          {"prompt_tokens_details",
           {{"cached_tokens", started_.cached_tokens()},
            {"image_tokens", started_.image_tokens()}}}};
}

json CompletionAnswer::ChatToken(uint32_t id, float logprob) const {
  const std::string bytes = tokenizer_.Bytes(static_cast<TokenId>(id));
  json numbers = json::array();
  for (const unsigned char byte : bytes) numbers.push_back(byte);
  return {{"token", bytes}, {"logprob", Finite(logprob)}, {"bytes", std::move(numbers)}};
}

json CompletionAnswer::ChatLogprobs(const v1::Delta& delta) const {
  json content = json::array();
  for (int i = 0; i < std::min(delta.token_ids_size(), delta.logprobs_size()); ++i) {
    const v1::TokenLogprobs& logprobs = delta.logprobs(i);
    json token = ChatToken(delta.token_ids(i), logprobs.logprob());
    json& top = token["top_logprobs"] = json::array();
    for (int k = 0; k < std::min(shape_.top_logprobs, logprobs.top_ids_size()); ++k)
      top.push_back(ChatToken(logprobs.top_ids(k), logprobs.top_logprobs(k)));
    content.push_back(std::move(token));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

json CompletionAnswer::TextLogprobs(const v1::Delta& delta, size_t text_offset) const {
  json tokens = json::array(), values = json::array(), tops = json::array();
  json offsets = json::array();
  for (int i = 0; i < std::min(delta.token_ids_size(), delta.logprobs_size()); ++i) {
    const v1::TokenLogprobs& logprobs = delta.logprobs(i);
    tokens.push_back(tokenizer_.Bytes(static_cast<TokenId>(delta.token_ids(i))));
    values.push_back(Finite(logprobs.logprob()));
    offsets.push_back(text_offset);
    json top = json::object();
    for (int k = 0; k < std::min(shape_.top_logprobs, logprobs.top_ids_size()); ++k)
      top[tokenizer_.Bytes(static_cast<TokenId>(logprobs.top_ids(k)))] =
          Finite(logprobs.top_logprobs(k));
    tops.push_back(std::move(top));
  }
  return {{"tokens", std::move(tokens)},
          {"token_logprobs", std::move(values)},
          {"top_logprobs", std::move(tops)},
          {"text_offset", std::move(offsets)}};
}

json CompletionAnswer::Logprobs(const v1::Delta& delta, size_t text_offset) const {
  if (!shape_.logprobs || delta.logprobs().empty()) return nullptr;
  return shape_.form == CompletionForm::kChat ? ChatLogprobs(delta)
                                              : TextLogprobs(delta, text_offset);
}

void CompletionAnswer::AddChunk(uint32_t index, json delta, json logprobs, json reason) {
  json choice = {{"index", index},
                 {"logprobs", std::move(logprobs)},
                 {"finish_reason", std::move(reason)}};
  choice[shape_.form == CompletionForm::kChat ? "delta" : "text"] = std::move(delta);
  json chunk = Head();
  chunk["choices"] = json::array({std::move(choice)});
  if (shape_.include_usage) chunk["usage"] = nullptr;
  chunks_.push_back(JsonText(chunk));
}

void CompletionAnswer::TakeDelta(const v1::Delta& delta) {
  Choice& choice = choices_[delta.sequence()];
  json logprobs = Logprobs(delta, choice.characters);
  choice.characters += CountCharacters(delta.text());
  if (!shape_.stream) {
    choice.text += delta.text();
    if (!logprobs.is_null()) Append(choice.logprobs, logprobs);
    return;
  }
  if (delta.text().empty() && logprobs.is_null()) return;  // text that is held back
  json text = delta.text();
  if (shape_.form == CompletionForm::kChat) text = {{"content", std::move(text)}};
  AddChunk(delta.sequence(), std::move(text), std::move(logprobs), nullptr);
}

void CompletionAnswer::Take(const v1::GenerateEvent& event) {
  const bool chat = shape_.form == CompletionForm::kChat;
  if (event.has_started()) {
    started_ = event.started();
    for (uint32_t i = 0; shape_.stream && chat && i < shape_.num_choices; ++i)
      AddChunk(i, {{"role", "assistant"}, {"content", ""}}, nullptr, nullptr);
  } else if (event.has_delta() && event.delta().sequence() < shape_.num_choices) {
    TakeDelta(event.delta());
  } else if (event.has_finished() && event.finished().sequence() < shape_.num_choices) {
    const v1::Finished& finished = event.finished();
    output_tokens_ += finished.output_tokens();
    choices_[finished.sequence()].finish_reason = ReasonName(finished.reason());
    if (shape_.stream)
      AddChunk(finished.sequence(), chat ? json::object() : json(""), nullptr,
               ReasonName(finished.reason()));
  }
}

std::string CompletionAnswer::UsageChunk() const {
  json chunk = Head();
  chunk["choices"] = json::array();
  chunk["usage"] = Usage();
  return JsonText(chunk);
}

std::string CompletionAnswer::Whole() const {
  json whole = Head();
  whole["usage"] = Usage();
  json& choices = whole["choices"] = json::array();
  for (const Choice& each : choices_) {
    json choice = {{"index", choices.size()},
                   {"logprobs", each.logprobs},
                   {"finish_reason", each.finish_reason}};
    if (shape_.form == CompletionForm::kChat) {
      choice["message"] = {{"role", "assistant"}, {"content", each.text}, {"refusal", nullptr}};
    } else {
      choice["text"] = each.text;
    }
    choices.push_back(std::move(choice));
  }
  return JsonText(whole);
}

}  // namespace triptych::router
