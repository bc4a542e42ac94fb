// netctl as a function: from words to exit status.
#pragma once

#include <string>
#include <vector>

#include "netd/ctl/context.h"

namespace netd::ctl {

/// Parses the words (without the program's name), runs the command, prints its errors, and says
/// what to exit with.
int run(std::vector<std::string> words, Context& context);

}  // namespace netd::ctl
