#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <memory>

#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/commands/request_flags.h"

namespace triptych::cli {
namespace {

struct Flags {
  RequestFlags request;
  std::string system;
};

constexpr std::string_view kHelp =
    "  /image FILE   a picture for the next question\n"
    "  /reset        forget the conversation\n"
    "  /help         this\n"
    "  /quit         end (as Ctrl-D does)\n";

// One conversation on a terminal.
class Chat {
 public:
  Chat(const Flags& flags, Access access) : flags_(flags), client_(flags.request.router, std::move(access)) { Reset(); }

  Status Run() {
    const bool terminal = isatty(STDIN_FILENO) != 0;
    if (terminal) fmt::print("Ask something, or /help.\n");
    for (std::string line; Prompt(terminal) && std::getline(std::cin, line);) {
      if (line.empty()) continue;
      if (line == "/quit") break;
      const Status status = line.front() == '/' ? Command(line) : Ask(line);
      if (status.ok()) continue;
      if (!terminal) return status;
      fmt::print(stderr, "{}\n", Message(status));
    }
    return OkStatus();
  }

 private:
  static bool Prompt(bool terminal) {
    if (terminal) fmt::print("> ");
    std::fflush(stdout);
    return true;
  }

  void Reset() {
    conversation_.Clear();
    images_.clear();
    if (flags_.system.empty()) return;
    v1::Message& system = *conversation_.add_messages();
    system.set_role(v1::ROLE_SYSTEM);
    system.add_parts()->set_text(flags_.system);
  }

  Status Command(const std::string& line) {
    constexpr std::string_view kImage = "/image ";
    if (line.starts_with(kImage)) {
      images_.push_back(line.substr(kImage.size()));
      return MakeParts("", {images_.back()}, flags_.request.max_tiles).status();
    }
    if (line == "/reset") {
      Reset();
    } else if (line == "/help") {
      fmt::print("{}", kHelp);
    } else {
      return InvalidArgument("no command '{}'; /help lists them", line);
    }
    return OkStatus();
  }

  Status Ask(const std::string& text) {
    TRIPTYCH_ASSIGN_OR_RETURN(const std::vector<v1::Part> parts, MakeParts(text, images_, flags_.request.max_tiles));
    v1::GenerateRequest request;
    flags_.request.ApplyTo(request);
    v1::Conversation& asked = *request.mutable_prompt()->mutable_conversation();
    asked = conversation_;
    v1::Message& user = *asked.add_messages();
    user.set_role(v1::ROLE_USER);
    for (const v1::Part& part : parts) *user.add_parts() = part;
    std::string answer;
    TRIPTYCH_RETURN_IF_ERROR(client_.Generate(request, flags_.request.timeout_seconds, [&](const v1::GenerateEvent& event) {
      if (!event.has_delta() || event.delta().sequence() != 0) return;
      answer += event.delta().text();
      std::fwrite(event.delta().text().data(), 1, event.delta().text().size(), stdout);
      std::fflush(stdout);
    }));
    std::fputc('\n', stdout);
    conversation_ = asked;
    v1::Message& assistant = *conversation_.add_messages();
    assistant.set_role(v1::ROLE_ASSISTANT);
    assistant.add_parts()->set_text(answer);
    images_.clear();
    return OkStatus();
  }

  const Flags& flags_;
  Client client_;
  v1::Conversation conversation_;
  std::vector<std::string> images_;  // for the next question
};

Status Run(const Flags& flags) {
  TRIPTYCH_ASSIGN_OR_RETURN(Access access, flags.request.access.Open());
  return Chat(flags, std::move(access)).Run();
}

}  // namespace

void AddChat(CLI::App& app, int* exit_status) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("chat", "A conversation on the terminal, with pictures");
  flags->request.AddTo(*command);
  command->add_option("--system", flags->system, "The system message");
  command->callback([flags, exit_status] { *exit_status = Report("chat", Run(*flags)); });
}

}  // namespace triptych::cli
