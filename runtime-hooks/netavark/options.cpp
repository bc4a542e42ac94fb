#include "runtime-hooks/netavark/options.h"

#include <algorithm>
#include <array>
#include <map>
#include <stdexcept>
#include <string_view>

namespace runtime_hooks::netavark {
namespace {

const std::map<std::string, std::string> long_names{
    {"-f", "--file"}, {"-c", "--config"}, {"-r", "--rootless"}, {"-a", "--aardvark-binary"}};
constexpr std::array with_value{"--file",
                                "--config",
                                "--rootless",
                                "--aardvark-binary",
                                "--firewall-driver",
                                "--plugin-directory",
                                "--network-dns-servers"};

void add_list(std::string_view text, std::vector<std::string>& list) {
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    if (comma > 0) list.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
}

}  // namespace

Options parse_options(const std::vector<std::string>& words) {
  Options options;
  std::vector<std::string> rest;
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string word = words[i], value;
    if (!word.starts_with('-') || word == "--version") {
      rest.push_back(word);
      continue;
    }
    const std::size_t equals = word.find('=');
    const bool has_value = equals != std::string::npos;
    if (has_value) {
      value = word.substr(equals + 1);
      word.resize(equals);
    }
    if (const auto name = long_names.find(word); name != long_names.end()) word = name->second;
    if (std::ranges::find(with_value, word) == with_value.end())
      throw std::invalid_argument("unexpected argument '" + word + "'");
    if (!has_value) {
      if (i + 1 == words.size()) throw std::invalid_argument(word + " needs a value");
      value = words[++i];
    }
    if (word == "--file") options.file = value;
    if (word == "--network-dns-servers") add_list(value, options.dns_servers);
  }
  options.command = rest.empty() ? "info" : rest[0];
  if (rest.size() > 1) options.subject = rest[1];
  if (rest.size() > 2) throw std::invalid_argument("unexpected argument '" + rest[2] + "'");
  return options;
}

}  // namespace runtime_hooks::netavark
