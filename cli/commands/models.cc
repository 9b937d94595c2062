#include <cstdio>
#include <memory>

#include "cli/client.h"
#include "cli/commands/commands.h"
#include "nlohmann/json.hpp"

namespace triptych::cli {
namespace {

constexpr char kRow[] = "{:<24} {:<28} {:>8} {:>7} {:>9} {:>9} {}\n";

Status Run(const std::string& router, const AccessFlags& flags, bool json) {
  TRIPTYCH_ASSIGN_OR_RETURN(Access access, flags.Open());
  TRIPTYCH_ASSIGN_OR_RETURN(const v1::ListModelsResponse response, Client(router, std::move(access)).ListModels());
  nlohmann::json list = nlohmann::json::array();
  if (!json) fmt::print(kRow, "NAME", "FAMILY", "CONTEXT", "IMAGES", "ENCODERS", "DECODERS", "ADAPTERS");
  for (const v1::Model& model : response.models()) {
    list.push_back({{"name", model.name()},
                    {"family", model.family()},
                    {"context_tokens", model.context_tokens()},
                    {"accepts_images", model.accepts_images()},
                    {"ready_encoders", model.ready_encoders()},
                    {"ready_decoders", model.ready_decoders()},
                    {"adapters", model.adapters()},
                    {"max_tiles", model.max_tiles()},
                    {"default_max_tiles", model.default_max_tiles()},
                    {"default_max_new_tokens", model.default_max_new_tokens()},
                    {"accepts_conversations", model.accepts_conversations()}});
    if (json) continue;
    fmt::print(kRow, model.name(), model.family(), model.context_tokens(), model.accepts_images() ? "yes" : "no", model.ready_encoders(),
               model.ready_decoders(), model.adapters().empty() ? "-" : fmt::format("{}", fmt::join(model.adapters(), ",")));
  }
  if (json) fmt::print("{}\n", list.dump());
  return OkStatus();
}

}  // namespace

void AddModels(CLI::App& app, int* exit_status) {
  auto router = std::make_shared<std::string>("127.0.0.1:7071");
  auto json = std::make_shared<bool>(false);
  auto access = std::make_shared<AccessFlags>();
  CLI::App* command = app.add_subcommand("models", "The models that a router serves");
  command->add_option("--router", *router, "The router's gRPC address")->capture_default_str();
  access->AddToClient(*command);
  command->add_flag("--json", *json, "Print JSON");
  command->callback([router, access, json, exit_status] { *exit_status = Report("models", Run(*router, *access, *json)); });
}

}  // namespace triptych::cli
