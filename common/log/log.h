#pragma once

#include <string>
#include <string_view>

#include "spdlog/spdlog.h"

namespace triptych {

enum class LogFormat { kText, kJson };

// Sets spdlog's default logger: one line an event on stderr, with UTC time, level, process name, message. kJson makes each line one
// object. Prompts, tokens, picture bytes and credentials are never logged; ids from clients go through LogId.
void SetUpLogging(std::string_view process, LogFormat format, spdlog::level::level_enum level);

// A client's id, printable and cut to 64 bytes.
std::string LogId(std::string_view id);

}  // namespace triptych
