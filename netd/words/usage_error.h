#pragma once

#include <stdexcept>

namespace netd::words {

/// What a user typed makes no sense: the text quotes it. netctl's exit status 2.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace netd::words
