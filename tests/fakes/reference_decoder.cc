#include "tests/fakes/reference_decoder.h"

#include <algorithm>
#include <cmath>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>

#include "fmt/format.h"

namespace triptych::fakes {
namespace {

class ReferenceDecoder {
 public:
  ReferenceDecoder(const TinyCheckpointOptions& options,
                   const CheckpointTensors& tensors,
                   const std::vector<TokenId>& tokens,
                   int64_t prompt_tokens)
      : options_(options), tensors_(tensors), tokens_(tokens), prompt_tokens_(prompt_tokens) {
    mask_ = at::zeros({size(), 1}, at::kDouble);
    for (int64_t i = 0; i < size(); ++i) {
      if (tokens[i] == kImageRow) mask_[i].fill_(1);
    }
  }

  at::Tensor Logits(const at::Tensor& image_rows) const {
    at::Tensor x = Embed(image_rows);
    for (int64_t i = 0; i < options_.num_layers; ++i) {
      const std::string layer = fmt::format("model.layers.{}.", i);
      x = x + Attend(layer + "attention.", Norm(layer + "attention_norm", x));
      const at::Tensor h = Norm(layer + "ffn_norm", x);
      const std::string ffn = layer + "feed_forward.";
      x = x + Plora(ffn + "w2", at::silu(Plora(ffn + "w1", h)) * Plora(ffn + "w3", h));
    }
    return at::matmul(Norm("model.norm", x), Get("output").t());
  }

 private:
  int64_t size() const { return static_cast<int64_t>(tokens_.size()); }
  at::Tensor Get(const std::string& name) const {
    return tensors_.at(name + ".weight").to(at::kDouble);
  }

  at::Tensor Embed(const at::Tensor& image_rows) const {
    std::vector<at::Tensor> rows;
    int64_t image = 0;
    for (const TokenId token : tokens_) {
      rows.push_back(token == kImageRow ? image_rows[image++].to(at::kDouble)
                                        : Get("model.tok_embeddings")[token]);
    }
    return at::cat(rows).view({size(), options_.hidden});
  }

  at::Tensor Norm(const std::string& name, const at::Tensor& x) const {
    return x * (x.pow(2).mean(-1, /*keepdim=*/true) + 1e-5).rsqrt() * Get(name);
  }

  at::Tensor Plora(const std::string& name, const at::Tensor& x) const {
    const at::Tensor low = at::matmul(x, Get(name + ".Plora_A").t());
    const double scale = options_.plora_rank == 8 ? 2 : 1;
    return at::matmul(x, Get(name).t()) +
           mask_ * scale * at::matmul(low, Get(name + ".Plora_B").t());
  }

  // x [tokens, heads, d]
  at::Tensor Rotate(const at::Tensor& x) const {
    const int64_t half = x.size(2) / 2;
    at::Tensor angles = at::empty({size(), 1, half}, at::kDouble);
    for (int64_t p = 0; p < size(); ++p) {
      const double length = static_cast<double>(std::max(prompt_tokens_, p + 1));
      const double trained = static_cast<double>(options_.max_position_embeddings);
      const double dim = static_cast<double>(x.size(2));
      const double base =
          length > trained ? 10000 * std::pow(2 * length / trained - 1, dim / (dim - 2)) : 10000;
      for (int64_t i = 0; i < half; ++i) {
        angles[p][0][i].fill_(static_cast<double>(p) * std::pow(base, -2.0 * i / dim));
      }
    }
    const at::Tensor first = x.narrow(2, 0, half);
    const at::Tensor second = x.narrow(2, half, half);
    return at::cat({first * angles.cos() - second * angles.sin(),
                    second * angles.cos() + first * angles.sin()},
                   2);
  }

  at::Tensor Attend(const std::string& prefix, const at::Tensor& x) const {
    const int64_t d = options_.hidden / options_.num_heads;
    const int64_t group = options_.num_heads / options_.num_kv_heads;
    const at::Tensor qkv =
        Plora(prefix + "wqkv", x).view({size(), options_.num_kv_heads, group + 2, d});
    const at::Tensor q = Rotate(qkv.narrow(2, 0, group).reshape({size(), options_.num_heads, d}));
    const at::Tensor k = Rotate(qkv.select(2, group));
    const at::Tensor v = qkv.select(2, group + 1);
    const at::Tensor future = at::empty({size(), size()}, at::kDouble).fill_(-1e300).triu(1);
    std::vector<at::Tensor> heads;
    for (int64_t h = 0; h < options_.num_heads; ++h) {
      const at::Tensor scores = at::matmul(q.select(1, h), k.select(1, h / group).t()) /
                                std::sqrt(static_cast<double>(d));
      heads.push_back(at::matmul(at::softmax(scores + future, -1), v.select(1, h / group)));
    }
    return Plora(prefix + "wo", at::cat(heads, 1));
  }

  const TinyCheckpointOptions& options_;
  const CheckpointTensors& tensors_;
  const std::vector<TokenId>& tokens_;
  const int64_t prompt_tokens_;
  at::Tensor mask_;  // [tokens, 1]: 1 on picture rows
};

}  // namespace

at::Tensor ReferenceLogits(const TinyCheckpointOptions& options,
                           const CheckpointTensors& tensors,
                           const std::vector<TokenId>& tokens,
                           const at::Tensor& image_rows,
                           int64_t prompt_tokens) {
  return ReferenceDecoder(options, tensors, tokens, prompt_tokens).Logits(image_rows);
}

}  // namespace triptych::fakes
