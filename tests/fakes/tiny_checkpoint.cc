#include "tests/fakes/tiny_checkpoint.h"

#include <cmath>
#include <fstream>
#include <random>

#include <ATen/ops/empty.h>

#include "common/check.h"
#include "fmt/format.h"
#include "tests/fakes/safetensors_writer.h"

namespace triptych::fakes {
namespace {

constexpr int64_t kPatch = 14;
constexpr int64_t kVisionLayers = 1;

// Fills a checkpoint with random tensors.
class TensorFactory {
 public:
  TensorFactory(const TinyCheckpointOptions& options, CheckpointTensors& tensors)
      : options_(options), tensors_(tensors), random_(options.seed) {}

  // Values of this deviation around `mean`. The generator's raw numbers are used, because the
  // library's distributions differ between implementations.
  void Add(const std::string& name, std::vector<int64_t> shape, double deviation, double mean = 0) {
    at::Tensor tensor = at::empty(shape, at::kFloat);
    float* values = tensor.mutable_data_ptr<float>();
    for (int64_t i = 0; i < tensor.numel(); ++i) {
      const double uniform = static_cast<double>(random_() >> 11) * 0x1p-53 - 0.5;
      values[i] = static_cast<float>(mean + uniform * deviation * std::sqrt(12.0));
    }
    tensors_[name] = tensor.to(options_.dtype);
  }
  void AddLinear(const std::string& name, int64_t out, int64_t in, bool bias) {
    Add(name + ".weight", {out, in}, 1 / std::sqrt(static_cast<double>(in)));
    if (bias) Add(name + ".bias", {out}, 0.1);
  }
  void AddPlora(const std::string& name, int64_t out, int64_t in) {
    AddLinear(name, out, in, /*bias=*/false);
    AddLinear(name + ".Plora_A", options_.plora_rank, in, /*bias=*/false);
    AddLinear(name + ".Plora_B", out, options_.plora_rank, /*bias=*/false);
  }
  void AddNorm(const std::string& name, int64_t size, bool bias) {
    Add(name + ".weight", {size}, 0.1, /*mean=*/1);
    if (bias) Add(name + ".bias", {size}, 0.1);
  }

 private:
  const TinyCheckpointOptions& options_;
  CheckpointTensors& tensors_;
  std::mt19937_64 random_;
};

void AddDecoder(const TinyCheckpointOptions& o, TensorFactory& factory) {
  const int64_t head_dim = o.hidden / o.num_heads;
  factory.Add("model.tok_embeddings.weight", {o.vocab, o.hidden}, 1);
  for (int64_t i = 0; i < o.num_layers; ++i) {
    const std::string layer = fmt::format("model.layers.{}.", i);
    factory.AddNorm(layer + "attention_norm", o.hidden, /*bias=*/false);
    factory.AddNorm(layer + "ffn_norm", o.hidden, /*bias=*/false);
    factory.AddPlora(
        layer + "attention.wqkv", (o.num_heads + 2 * o.num_kv_heads) * head_dim, o.hidden);
    factory.AddPlora(layer + "attention.wo", o.hidden, o.hidden);
    factory.AddPlora(layer + "feed_forward.w1", o.intermediate, o.hidden);
    factory.AddPlora(layer + "feed_forward.w3", o.intermediate, o.hidden);
    factory.AddPlora(layer + "feed_forward.w2", o.hidden, o.intermediate);
  }
  factory.AddNorm("model.norm", o.hidden, /*bias=*/false);
  factory.AddLinear("output", o.vocab, o.hidden, /*bias=*/false);
}

void AddEncoder(const TinyCheckpointOptions& o, TensorFactory& factory) {
  const std::string vision = "vit.vision_tower.vision_model.";
  const int64_t width = o.vision_hidden;
  const int64_t side = o.image_size / kPatch;
  factory.Add(vision + "embeddings.class_embedding", {width}, 1);
  factory.Add(vision + "embeddings.patch_embedding.weight", {width, 3, kPatch, kPatch}, 0.05);
  factory.Add(vision + "embeddings.position_embedding.weight", {side * side + 1, width}, 0.5);
  factory.AddNorm(vision + "pre_layrnorm", width, /*bias=*/true);
  for (int64_t i = 0; i < kVisionLayers; ++i) {
    const std::string layer = fmt::format("{}encoder.layers.{}.", vision, i);
    for (const char* projection : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
      factory.AddLinear(layer + "self_attn." + projection, width, width, /*bias=*/true);
    }
    factory.AddNorm(layer + "layer_norm1", width, /*bias=*/true);
    factory.AddNorm(layer + "layer_norm2", width, /*bias=*/true);
    factory.AddLinear(layer + "mlp.fc1", 2 * width, width, /*bias=*/true);
    factory.AddLinear(layer + "mlp.fc2", width, 2 * width, /*bias=*/true);
  }
  factory.AddLinear("vision_proj.0", o.hidden, width, /*bias=*/true);
  factory.AddLinear("vision_proj.2", o.hidden, o.hidden, /*bias=*/true);
}

}  // namespace

CheckpointTensors TinyTensors(const TinyCheckpointOptions& options) {
  CheckpointTensors tensors;
  TensorFactory factory(options, tensors);
  AddDecoder(options, factory);
  AddEncoder(options, factory);
  return tensors;
}

std::string TinyConfig(const TinyCheckpointOptions& o) {
  return fmt::format(
      R"({{"architectures":["InternLMXComposer2ForCausalLM"],"model_type":"internlmxcomposer2",)"
      R"("bias":false,"bos_token_id":1,"eos_token_id":2,"pad_token_id":2,"hidden_act":"silu",)"
      R"("hidden_size":{},"intermediate_size":{},"num_hidden_layers":{},"num_attention_heads":{},)"
      R"("num_key_value_heads":{},"vocab_size":{},"max_length":4096,"max_position_embeddings":{},)"
      R"("rms_norm_eps":1e-05,"rope_theta":10000,"rope_scaling":{},"tie_word_embeddings":false,)"
      R"("torch_dtype":"bfloat16","img_size":{},"vision_config":{{"hidden_size":{},)"
      R"("intermediate_size":{},"num_hidden_layers":{},"num_attention_heads":4,"image_size":{},)"
      R"("patch_size":{},"hidden_act":"quick_gelu","layer_norm_eps":1e-05}}}})",
      o.hidden,
      o.intermediate,
      o.num_layers,
      o.num_heads,
      o.num_kv_heads,
      o.vocab,
      o.max_position_embeddings,
      o.rope_scaling,
      o.image_size,
      o.vision_hidden,
      2 * o.vision_hidden,
      kVisionLayers,
      o.image_size,
      kPatch);
}

void WriteCheckpoint(const std::string& dir,
                     const std::string& config,
                     const CheckpointTensors& tensors) {
  SafetensorsWriter writer;
  for (const auto& [name, tensor] : tensors) writer.Add(name, tensor);
  std::ofstream weights(dir + "/model.safetensors", std::ios::binary);
  TRIPTYCH_CHECK(weights << writer.Bytes() << std::flush);
  std::ofstream json(dir + "/config.json", std::ios::binary);
  TRIPTYCH_CHECK(json << config << std::flush);
}

void WriteTinyCheckpoint(const std::string& dir, const TinyCheckpointOptions& options) {
  WriteCheckpoint(dir, TinyConfig(options), TinyTensors(options));
}

}  // namespace triptych::fakes
