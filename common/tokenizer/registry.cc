#include <filesystem>
#include <system_error>

#include "common/tokenizer/byte_bpe.h"
#include "common/tokenizer/sentencepiece.h"
#include "common/tokenizer/tokenizer.h"

namespace triptych {
namespace {

constexpr char kSentencePiece[] = "tokenizer.model";
constexpr char kByteBpe[] = "tokenizer.json";
constexpr char kByteBpeConfig[] = "tokenizer_config.json";

bool Exists(const std::string& model_dir, const char* file) {
  std::error_code unknown;
  return std::filesystem::exists(model_dir + "/" + file, unknown);
}

}  // namespace

StatusOr<std::vector<std::string>> TokenizerFiles(const std::string& model_dir) {
  if (Exists(model_dir, kSentencePiece)) return std::vector<std::string>{kSentencePiece};
  if (!Exists(model_dir, kByteBpe)) {
    return FailedPrecondition("{}: there is neither a {} nor a {}", model_dir, kSentencePiece, kByteBpe);
  }
  std::vector<std::string> files = {kByteBpe};
  if (Exists(model_dir, kByteBpeConfig)) files.emplace_back(kByteBpeConfig);
  return files;
}

StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const std::string& model_dir) {
  TRIPTYCH_ASSIGN_OR_RETURN(const std::vector<std::string> files, TokenizerFiles(model_dir));
  if (files.front() == kSentencePiece) return SentencePieceTokenizer::Load(model_dir + "/" + kSentencePiece);
  return ByteBpeTokenizer::Load(model_dir);
}

}  // namespace triptych
