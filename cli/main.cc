#include <optional>

#include "cli/commands/commands.h"
#include "common/lifecycle/signals.h"

int main(int argc, char** argv) {
  using namespace triptych::cli;
  // serve and status --watch end by signals as values; the other commands die of them, as users expect.
  const std::string_view command = argc > 1 ? argv[1] : "";
  std::optional<triptych::SignalWaiter> signals;
  if (command == "serve" || command == "status") signals.emplace();
  int exit_status = 0;
  CLI::App app("Triptych: serving for the InternLM-XComposer models", "triptych");
  app.require_subcommand(1);
  AddServe(app, signals ? &*signals : nullptr, &exit_status);
  AddGenerate(app, &exit_status);
  AddChat(app, &exit_status);
  AddCompose(app, &exit_status);
  AddLibrary(app, &exit_status);
  AddModels(app, &exit_status);
  AddStatus(app, signals ? &*signals : nullptr, &exit_status);
  AddDrain(app, &exit_status);
  CLI11_PARSE(app, argc, argv);
  return exit_status;
}
