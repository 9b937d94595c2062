#pragma once

#include <array>
#include <string>
#include <vector>

namespace triptych::internlm_xcomposer2 {

// The task LoRAs of XComposer2.5 as requests name them, by their place in the list: none, lora_web, and lora_sft with lora_dpo.
inline const std::array<std::string, 3> kAdapters = {"base", "web", "write"};

// Names of the low-rank pairs that each adapter adds, as tensors have them (`layer`.NAME_A.weight, `layer`.NAME_B.weight).
inline const std::array<std::vector<std::string>, 3> kAdapterPairs = {
    {{}, {"lora_web"}, {"lora_sft", "lora_dpo"}}};

}  // namespace triptych::internlm_xcomposer2
