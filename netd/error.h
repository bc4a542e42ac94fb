// What a verb refuses, and how the API says so.
#pragma once

#include <stdexcept>
#include <string>

namespace netd {

/// The kinds follow the Engine API's status codes (libnetwork.md 3.1).
enum class ErrorKind {
  invalid,      // 400
  forbidden,    // 403
  not_found,    // 404
  conflict,     // 409
  internal,     // 500
  unavailable,  // 503
};

/// `what()` is the message a user reads: what went wrong and what to do.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

}  // namespace netd
