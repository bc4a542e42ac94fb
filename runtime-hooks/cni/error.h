// What a CNI plugin says when it can't (CNI spec 1.1, "Error").
#pragma once

#include <stdexcept>
#include <string>

namespace runtime_hooks::cni {

/// The spec's codes, and from 100 on our own.
enum class Code {
  incompatible_version = 1,
  unsupported_field = 2,
  unknown_container = 3,
  invalid_environment = 4,
  io_failure = 5,
  decoding_failure = 6,
  invalid_configuration = 7,
  invalid_namespace = 8,  // of the reference code
  try_again_later = 11,
  not_available = 50,
  refused = 100,  // netd said no: what is in the way may change
  differs = 101,  // CHECK: something is not as the result said
  failed = 999,   // of the reference code: anything else
};

struct Error : std::runtime_error {
  Error(Code code_, const std::string& message, std::string details_ = "")
      : std::runtime_error(message), code(code_), details(std::move(details_)) {}
  Code code;
  std::string details;
};

}  // namespace runtime_hooks::cni
