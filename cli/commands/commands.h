#pragma once

#include "CLI/CLI.hpp"

namespace triptych {
class SignalWaiter;
}

namespace triptych::cli {

// Each adds a subcommand; its callback stores the exit status. `signals` outlives the app.
void AddServe(CLI::App& app, SignalWaiter* signals, int* exit_status);
void AddGenerate(CLI::App& app, int* exit_status);
void AddChat(CLI::App& app, int* exit_status);
void AddCompose(CLI::App& app, int* exit_status);
void AddLibrary(CLI::App& app, int* exit_status);
void AddModels(CLI::App& app, int* exit_status);
void AddStatus(CLI::App& app, SignalWaiter* signals, int* exit_status);
void AddDrain(CLI::App& app, int* exit_status);

}  // namespace triptych::cli
