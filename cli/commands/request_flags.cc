#include "cli/commands/request_flags.h"

namespace triptych::cli {

void RequestFlags::AddTo(CLI::App& command) {
  command.add_option("--router", router, "The router's gRPC address")->capture_default_str();
  access.AddToClient(command);
  command.add_option("--model", model, "The model's name; without it the router's default");
  command.add_option("--timeout", timeout_seconds, "Seconds; 0: none")->capture_default_str();
  command.add_option("--adapter", adapter_, "A LoRA that the model carries: 2.5 has web and write; without it none");
  command.add_option("--max-tiles", max_tiles, "Into how many tiles a picture may be cut, for models that do so; 0: the model's default");
  command.add_option("--temperature", temperature_, "0 (the default): greedy");
  command.add_option("--top-p", top_p_, "Nucleus; 0: all");
  command.add_option("--top-k", top_k_, "The k likeliest; 0: all");
  command.add_option("--min-p", min_p_, "Least probability, as a share of the greatest");
  command.add_option("--repetition-penalty", repetition_, "0: the model's default");
  command.add_option("--presence-penalty", presence_, "");
  command.add_option("--frequency-penalty", frequency_, "");
  command.add_option("--seed", seed, "Makes sampling repeatable");
  command.add_option("--num-beams", num_beams_, "Beam search");
  command.add_option("--length-penalty", length_, "Of beam search");
  command.add_option("-n,--sequences", n_, "How many answers");
  command.add_option("--max-new-tokens", max_new_tokens_, "0: the server's default");
  command.add_option("--min-new-tokens", min_new_tokens_, "");
  command.add_option("--stop", stop_, "A string that ends the answer; repeatable");
  command.add_flag("--ignore-eos", ignore_eos_, "Go on behind the end of sequence");
}

void RequestFlags::ApplyTo(v1::GenerateRequest& request) const {
  request.set_model(model);
  request.set_adapter(adapter_);
  v1::Sampling& sampling = *request.mutable_sampling();
  sampling.set_temperature(temperature_);
  sampling.set_top_p(top_p_);
  sampling.set_top_k(top_k_);
  sampling.set_min_p(min_p_);
  sampling.set_repetition_penalty(repetition_);
  sampling.set_presence_penalty(presence_);
  sampling.set_frequency_penalty(frequency_);
  if (seed) sampling.set_seed(*seed);
  sampling.set_num_beams(num_beams_);
  sampling.set_length_penalty(length_);
  sampling.set_n(n_);
  v1::Stopping& stopping = *request.mutable_stopping();
  stopping.set_max_new_tokens(max_new_tokens_);
  stopping.set_min_new_tokens(min_new_tokens_);
  for (const std::string& stop : stop_) stopping.add_stop(stop);
  stopping.set_ignore_eos(ignore_eos_);
}

}  // namespace triptych::cli
