#include "runtime-hooks/cni/call.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <vector>

#include "runtime-hooks/cni/conf.h"
#include "runtime-hooks/cni/error.h"

namespace runtime_hooks::cni {
namespace {

constexpr std::array known_arguments{
    "IgnoreUnknown", "IP", "MAC", "K8S_POD_NAMESPACE", "K8S_POD_NAME", "K8S_POD_INFRA_CONTAINER_ID",
    "K8S_POD_UID"};

Command parse_command(const std::string& word) {
  static const std::map<std::string, Command> commands{
      {"", Command::none},          {"ADD", Command::add}, {"DEL", Command::del},
      {"CHECK", Command::check},    {"GC", Command::gc},   {"STATUS", Command::status},
      {"VERSION", Command::version}};
  const auto found = commands.find(word);
  return found == commands.end() ? Command::unknown : found->second;
}

void check_interface(const std::string& name) {
  const auto refuse = [&](const char* why) { throw Error(Code::invalid_environment, why, name); };
  if (name.size() > 15)
    refuse("interface name is too long: CNI_IFNAME should be less than 16 characters");
  if (name == "." || name == "..") refuse("interface name is . or ..: CNI_IFNAME");
  for (const unsigned char c : name)
    if (c == '/' || c == ':' || std::isspace(c) != 0)
      refuse("interface name contains / or : or whitespace characters: CNI_IFNAME");
}

std::map<std::string, std::string> parse_arguments(std::string_view text) {
  std::map<std::string, std::string> arguments;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(';'), text.size());
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || equals == 0)
      throw Error(Code::invalid_environment,
                  fmt::format("CNI_ARGS: invalid pair \"{}\": expected KEY=VALUE", pair));
    arguments[std::string(pair.substr(0, equals))] = pair.substr(equals + 1);
  }
  return arguments;
}

bool is_true(std::string word) {
  std::ranges::transform(word, word.begin(), [](unsigned char c) { return std::tolower(c); });
  return word == "1" || word == "true";
}

}  // namespace

Call read_call(const Environment& environment) {
  Call call{.word = environment("CNI_COMMAND"),
            .container = environment("CNI_CONTAINERID"),
            .netns = environment("CNI_NETNS"),
            .interface = environment("CNI_IFNAME"),
            .is_netns_override = is_true(environment("CNI_NETNS_OVERRIDE"))};
  call.command = parse_command(call.word);
  const bool of_all = call.command == Command::gc || call.command == Command::status;
  const bool of_one = call.command == Command::add || call.command == Command::check ||
                      call.command == Command::del;
  std::vector<std::string> missing;
  const auto require = [&](bool required, const std::string& name, const std::string& value) {
    if (required && value.empty()) missing.push_back(name);
    return required && !value.empty();
  };
  if (require(of_one, "CNI_CONTAINERID", call.container) && !is_identifier(call.container))
    throw Error(Code::invalid_environment, "invalid characters in CNI_CONTAINERID", call.container);
  require(of_one && call.command != Command::del, "CNI_NETNS", call.netns);
  if (require(of_one, "CNI_IFNAME", call.interface)) check_interface(call.interface);
  require(of_one || of_all, "CNI_PATH", environment("CNI_PATH"));
  if (!missing.empty())
    throw Error(Code::invalid_environment,
                fmt::format("required env variables [{}] missing", fmt::join(missing, ",")));
  // Nothing is asked of them when a container goes.
  if (call.command == Command::add || call.command == Command::check)
    call.arguments = parse_arguments(environment("CNI_ARGS"));
  return call;
}

void check_arguments(const Call& call) {
  const auto ignore = call.arguments.find("IgnoreUnknown");
  if (ignore != call.arguments.end() && is_true(ignore->second)) return;
  std::vector<std::string> unknown;
  for (const auto& [key, value] : call.arguments)
    if (std::ranges::find(known_arguments, key) == known_arguments.end())
      unknown.push_back(key + "=" + value);
  if (!unknown.empty())
    throw Error(Code::invalid_environment,
                fmt::format("CNI_ARGS: unknown args [{}]", fmt::join(unknown, " ")),
                "IgnoreUnknown=1 has them ignored");
}

}  // namespace runtime_hooks::cni
