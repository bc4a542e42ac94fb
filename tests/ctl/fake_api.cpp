#include "tests/ctl/fake_api.h"

#include <nlohmann/json.hpp>

#include "netd/ctl/run.h"

namespace tests {

using netd::client::Response;

Response FakeApi::request(std::string_view method, const std::string& target,
                          const nlohmann::json* body) {
  if (!is_running) throw netd::client::NoDaemon("unix:///run/netd/netd.sock", "Connection refused");
  const std::string request = std::string(method) + " " + target;
  requests.push_back(body ? request + " " + body->dump() : request);
  const auto answer = answers.find(request);
  if (answer != answers.end()) return answer->second;
  return {404, "application/json", R"({"message":"not found: )" + target + "\"}"};
}

Response FakeApi::stream(const std::string& target,
                         const std::function<bool(std::string_view)>& on_line) {
  requests.push_back("STREAM " + target);
  for (const std::string& line : lines) {
    if (!on_line(line)) break;
  }
  return {200, "application/json", ""};
}

Outcome netctl(FakeApi& api, std::vector<std::string> words, const std::string& input) {
  std::istringstream in(input);
  std::ostringstream out;
  std::ostringstream err;
  netd::ctl::DaemonAddress daemon;
  netd::ctl::Context context{.api = api, .in = in, .out = out, .err = err, .daemon = daemon};
  const int status = netd::ctl::run(std::move(words), context);
  return {status, out.str(), err.str()};
}

}  // namespace tests
