// netctl against a daemon that is a table of answers.
#pragma once

#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "netd/ctl/context.h"

namespace tests {

/// Answers by "METHOD target"; what isn't there is a 404 as the daemon says it. Keeps what was
/// asked.
class FakeApi : public netd::ctl::Api {
 public:
  netd::client::Response request(std::string_view method, const std::string& target,
                                 const nlohmann::json* body) override;
  netd::client::Response stream(const std::string& target,
                                const std::function<bool(std::string_view)>& on_line) override;

  std::map<std::string, netd::client::Response> answers;
  std::vector<std::string> requests;  // "POST /networks/create {…}"
  std::vector<std::string> lines;     // of streams
  bool is_running = true;
};

/// What a run of netctl printed and left with.
struct Outcome {
  int status = 0;
  std::string output;
  std::string errors;
};

/// Runs netctl with these words; `input` is what the user types.
Outcome netctl(FakeApi& api, std::vector<std::string> words, const std::string& input = "");

}  // namespace tests
