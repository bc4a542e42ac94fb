// netd-cni: a CNI plugin. It starts at each container's start and stop, so it is small: no library
// that parses options, none for TLS.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "runtime-hooks/cni/error.h"
#include "runtime-hooks/cni/plugin.h"
#include "runtime-hooks/reader.h"

namespace {

using namespace runtime_hooks;
using namespace runtime_hooks::cni;
using nlohmann::json;

constexpr std::size_t stdin_limit_bytes = 4 * 1024 * 1024;

std::string variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value ? value : "";
}

std::string read_stdin() {
  std::string text;
  std::array<char, 65536> buffer{};
  while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), stdin)) {
    text.append(buffer.data(), count);
    if (text.size() > stdin_limit_bytes)
      throw Error(Code::io_failure, "error reading from stdin: more than 4 MiB");
  }
  if (std::ferror(stdin) != 0) throw Error(Code::io_failure, "error reading from stdin");
  return text;
}

void say(const json& answer) {
  std::cout << answer.dump(4, ' ', false, json::error_handler_t::replace) << std::endl;
  if (!std::cout) throw Error(Code::io_failure, "error writing to stdout");
}

void about() {
  std::cerr << "CNI netd plugin " NETD_VERSION ", see netd-cni(8)\n"
            << fmt::format("CNI protocol versions supported: {}\n",
                           fmt::join(supported_versions, ", "));
}

void require_version(const Call& call, const Conf& conf, const char* least) {
  if (!is_at_least(conf.version, least))
    throw Error(Code::incompatible_version, "config version does not allow " + call.word,
                fmt::format("config is \"{}\", {} came with {}", conf.version, call.word, least));
}

std::string host_of(const Conf& conf) {
  if (!conf.host.empty()) return conf.host;
  const std::string host = variable("NETD_HOST");
  return host.empty() ? std::string(netd::client::default_host) : host;
}

void run(const Call& call, const Conf& conf) {
  Daemon daemon(host_of(conf), {});
  Plugin plugin(daemon);
  switch (call.command) {
    case Command::add:
      return plugin.add(call, conf, say);
    case Command::del:
      return plugin.del(call, conf);
    case Command::check:
      require_version(call, conf, "0.4.0");
      return plugin.check(call, conf);
    case Command::gc:
      require_version(call, conf, "1.1.0");
      return plugin.collect_garbage(conf);
    case Command::status:
      require_version(call, conf, "1.1.0");
      return plugin.status(conf);
    default:
      throw Error(Code::invalid_environment, "unknown CNI_COMMAND: " + call.word);
  }
}

/// What netd's answers mean to a runtime: its own mistake, come again, or no.
Code code_of(int status) {
  switch (status) {
    case 400:
    case 403:
    case 404:
      return Code::invalid_configuration;
    case 503:
      return Code::try_again_later;
    default:
      return Code::refused;
  }
}

json error_json(const std::string& version, Code code, const std::string& message,
                const std::string& details) {
  json error{{"cniVersion", version}, {"code", static_cast<int>(code)}, {"msg", message}};
  if (!details.empty()) error["details"] = details;
  return error;
}

/// Runs the call of the environment; the error that there was, or null.
json answer() {
  std::string version = newest_version;
  const auto failed = [&](Code code, const std::string& message, const std::string& details = "") {
    return error_json(version, code, message, details);
  };
  Call call;
  try {
    call = read_call(variable);
    if (call.command == Command::none) return about(), nullptr;
    if (call.command == Command::version)
      return say({{"cniVersion", newest_version}, {"supportedVersions", supported_versions}}),
             nullptr;
    const std::string text = read_stdin();
    version = version_of(text);
    run(call, read_conf(text, call.command));
    return nullptr;
  } catch (const Error& error) {
    return failed(error.code, error.what(), error.details);
  } catch (const ReadError& error) {
    return failed(Code::decoding_failure,
                  fmt::format("error unmarshall network config: {}", error.what()));
  } catch (const Refusal& refusal) {
    return failed(code_of(refusal.status), std::string("netd: ") + refusal.what());
  } catch (const netd::client::NoDaemon& error) {
    return failed(call.command == Command::status ? Code::not_available : Code::try_again_later,
                  error.what(), "does netd run there?");
  } catch (const std::invalid_argument& error) {
    return failed(Code::invalid_configuration, error.what());
  } catch (const std::exception& error) {
    return failed(Code::failed, error.what());
  }
}

}  // namespace

int main() try {
  std::signal(SIGPIPE, SIG_IGN);  // a result that nobody reads is taken back as well
  const json error = answer();
  if (error.is_null()) return 0;
  say(error);
  return 1;
} catch (const Error&) {
  return 1;  // nobody hears it
}
