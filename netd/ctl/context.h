// What every netctl command works with: the daemon, the terminal, and how to fail.
#pragma once

#include <functional>
#include <iosfwd>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "netd/client/http.h"
#include "netd/words/usage_error.h"

namespace netd::ctl {

/// Exit statuses (interfaces.md).
enum class Status { success = 0, failed = 1, usage = 2, no_daemon = 3 };

/// The daemon refused or something failed: exit status 1. `what()` is for the user.
struct Failed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

using words::UsageError;  // exit status 2

/// The daemon as commands see it. DaemonApi is the real one, tests have a fake.
class Api {
 public:
  virtual ~Api() = default;
  virtual client::Response request(std::string_view method, const std::string& target,
                                   const nlohmann::json* body) = 0;
  /// A stream of lines; `on_line` ends it by returning false.
  virtual client::Response stream(const std::string& target,
                                  const std::function<bool(std::string_view)>& on_line) = 0;
};

/// Which daemon, and how it is reached: -H and the docker client's TLS flags, or NETD_HOST,
/// NETD_TLS_VERIFY and NETD_CERT_PATH.
struct DaemonAddress {
  std::string host = std::string(client::default_host);
  bool tls_verify = false;
  std::string ca_file;
  std::string cert_file;
  std::string key_file;

  /// TLS when tls_verify is set: with it come the files, from NETD_CERT_PATH where no flag says.
  client::ClientOptions options() const;
};

/// Connects at the first request, so that commands which need no daemon work without one.
class DaemonApi : public Api {
 public:
  /// `address` is read at the first request (-H is known only after parsing) and outlives this.
  explicit DaemonApi(const DaemonAddress& address) : address_(address) {}
  client::Response request(std::string_view method, const std::string& target,
                           const nlohmann::json* body) override;
  client::Response stream(const std::string& target,
                          const std::function<bool(std::string_view)>& on_line) override;

 private:
  client::Client& client();

  const DaemonAddress& address_;
  std::unique_ptr<client::Client> client_;
};

struct Context {
  Api& api;
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  DaemonAddress& daemon;                // DaemonApi reads it
  bool colour = false;                  // `out` is a terminal (and NO_COLOR isn't set)
  std::vector<std::string> trailing{};  // what follows the first "--"
  Status status = Status::success;
};

/// One request; the JSON of the answer (null for an empty one). Throws Failed with the daemon's
/// message when the answer is no success.
nlohmann::json call(Context& context, std::string_view method, const std::string& target);
nlohmann::json call(Context& context, std::string_view method, const std::string& target,
                    const nlohmann::json& body);

/// "WARNING: …" on `err` for each text of an answer: a string under "Warning", a list under
/// "Warnings"; none for an empty answer.
void print_warnings(Context& context, const nlohmann::json& answer);

/// Runs `act` for each name and goes on after a failure, as docker does: the failure is printed and
/// the exit status becomes 1.
void for_each_name(Context& context, const std::vector<std::string>& names,
                   const std::function<void(const std::string&)>& act);

/// Prints what the daemon has at `path` ("/networks/") and each name, as one list.
void inspect_each(Context& context, const std::string& path, const std::vector<std::string>& names);

/// Asks on `err` and reads the answer; anything but y or yes throws Failed ("… --force …").
void confirm(Context& context, std::string_view warning);

/// "netctl: message" on `err`.
void print_error(Context& context, std::string_view message);

}  // namespace netd::ctl
