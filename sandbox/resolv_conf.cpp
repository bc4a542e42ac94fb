#include "sandbox/resolv_conf.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <utility>

namespace sandbox {
namespace {

constexpr std::size_t most_bytes = 64 * 1024;
constexpr std::size_t most_entries = 64;

const ipam::Address embedded_server = ipam::Address::v4(0x7f00000b);   // 127.0.0.11
const ipam::Address systemd_resolved = ipam::Address::v4(0x7f000035);  // 127.0.0.53

bool is_plain(unsigned char c) {
  return c > 0x20 && c < 0x7f;
}
bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

/// The words up to a comment; a word with control or non-ASCII characters is left out.
std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty() && words.size() <= most_entries) {
    const auto start = std::ranges::find_if_not(line, is_blank);
    const auto end = std::find_if(start, line.end(), is_blank);
    const std::string_view word(start, end);
    line.remove_prefix(static_cast<std::size_t>(end - line.begin()));
    if (word.starts_with('#') || word.starts_with(';')) break;
    if (!word.empty() && std::ranges::all_of(word, is_plain)) words.push_back(word);
  }
  return words;
}

void append(std::vector<std::string>& list, std::string_view entry) {
  if (list.size() < most_entries) list.emplace_back(entry);
}

void add_nameserver(ResolvConf& conf, std::string_view text) {
  const auto address = ipam::Address::parse(text);
  if (!address) return append(conf.invalid_nameservers, text);
  if (conf.nameservers.size() < most_entries) conf.nameservers.push_back(*address);
}

void parse_line(ResolvConf& conf, std::string_view line) {
  const std::vector<std::string_view> words = words_of(line);
  if (words.empty()) return;
  const std::string_view directive = words.front();
  if (directive == "nameserver") {
    if (words.size() > 1) add_nameserver(conf, words[1]);
  } else if (directive == "search" || directive == "domain") {
    conf.search.clear();
    for (std::size_t i = 1; i < words.size(); ++i)
      append(conf.search, words[i]);
  } else if (directive == "options") {
    for (std::size_t i = 1; i < words.size(); ++i)
      append(conf.options, words[i]);
  } else {
    std::string kept;
    for (const std::string_view word : words)
      kept.append(kept.empty() ? "" : " ").append(word);
    append(conf.other, kept);
  }
}

std::optional<int> parse_ndots(std::string_view option) {
  constexpr std::string_view name = "ndots:";
  if (!option.starts_with(name)) return std::nullopt;
  option.remove_prefix(name.size());
  int value = 0;
  const auto [end, error] = std::from_chars(option.data(), option.data() + option.size(), value);
  if (error != std::errc() || end != option.data() + option.size() || value < 0)
    return std::nullopt;
  return value;
}

/// The file being made: what it says and what its comments tell of where that comes from.
struct Draft {
  ResolvConf content;
  std::string path;
  std::string transform;  // in brackets behind the path; empty = none
  std::string note;       // a comment line of its own
  std::vector<std::string> external;
  std::string overridden;  // "nameservers search options"
  std::string ndots_from;
};

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words)
    text += (text.empty() ? "" : " ") + word;
  return text;
}

/// A word with a space or newline would become further words or lines of the file.
void check_words(const std::vector<std::string>& words) {
  for (const std::string& word : words)
    if (word.empty() || !std::ranges::all_of(word, is_plain))
      throw std::invalid_argument("\"" + word + "\" can't stand in a resolv.conf");
}

/// A host's file with the overrides in the places of its parts.
Draft draft_of(const HostResolvConf& host, const ResolverOverrides& overrides) {
  check_words(overrides.search);
  check_words(overrides.options);
  Draft draft{.content = host.content,
              .path = host.path,
              .transform = {},
              .note = {},
              .external = {},
              .overridden = {},
              .ndots_from = ndots_of(host.content.options) < 0 ? "" : "host"};
  std::vector<std::string> overridden;
  if (!overrides.nameservers.empty()) {
    draft.content.nameservers = overrides.nameservers;
    draft.content.invalid_nameservers.clear();
    overridden.emplace_back("nameservers");
  }
  if (!overrides.search.empty()) {
    draft.content.search = overrides.search;
    std::erase(draft.content.search, ".");
    overridden.emplace_back("search");
  }
  if (!overrides.options.empty()) {
    draft.content.options = overrides.options;
    draft.ndots_from = ndots_of(overrides.options) < 0 ? "" : "override";
    overridden.emplace_back("options");
  }
  draft.overridden = joined(overridden);
  return draft;
}

std::string comments_of(const Draft& draft) {
  std::string text = "\n# Based on host file: '" + draft.path + "'";
  if (!draft.transform.empty()) text += " (" + draft.transform + ")";
  text += "\n";
  if (!draft.note.empty()) text += "# " + draft.note + "\n";
  if (!draft.content.invalid_nameservers.empty())
    text += "# Invalid nameservers: [" + joined(draft.content.invalid_nameservers) + "]\n";
  if (!draft.external.empty()) text += "# ExtServers: [" + joined(draft.external) + "]\n";
  text += "# Overrides: [" + draft.overridden + "]\n";
  if (!draft.ndots_from.empty()) text += "# Option ndots from: " + draft.ndots_from + "\n";
  return text;
}

std::string text_of(const Draft& draft) {
  std::string text =
      "# Generated by netd.\n"
      "# This file can be edited; netd will not make further changes once it\n"
      "# has been modified.\n\n";
  for (const ipam::Address& server : draft.content.nameservers)
    text += "nameserver " + server.to_string() + "\n";
  if (!draft.content.search.empty()) text += "search " + joined(draft.content.search) + "\n";
  if (!draft.content.options.empty()) text += "options " + joined(draft.content.options) + "\n";
  for (const std::string& line : draft.content.other)
    text += line + "\n";
  return text + comments_of(draft);
}

std::vector<ipam::Address> default_servers(bool ipv6) {
  std::vector<ipam::Address> servers = {ipam::Address::v4(0x08080808),
                                        ipam::Address::v4(0x08080404)};
  if (ipv6)
    for (const char* text : {"2001:4860:4860::8888", "2001:4860:4860::8844"})
      servers.push_back(*ipam::Address::parse(text));
  return servers;
}

}  // namespace

ResolvConf parse_resolv_conf(std::string_view text) {
  ResolvConf conf;
  text = text.substr(0, most_bytes);
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    parse_line(conf, line);
  }
  return conf;
}

int ndots_of(const std::vector<std::string>& options) {
  int ndots = -1;
  for (const std::string& option : options)
    ndots = parse_ndots(option).value_or(ndots);
  return ndots;
}

HostResolvConf read_host_resolv_conf(const std::string& path) {
  std::string text(most_bytes, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return {path, parse_resolv_conf(text)};
}

HostResolvConf read_reachable_resolv_conf(const std::string& path, const std::string& uplinks) {
  HostResolvConf host = read_host_resolv_conf(path);
  const bool is_stub = host.content.nameservers == std::vector{systemd_resolved};
  struct stat file {};
  if (is_stub && stat(uplinks.c_str(), &file) == 0) return read_host_resolv_conf(uplinks);
  return host;
}

std::string internal_resolv_conf(const HostResolvConf& host, const ResolverOverrides& overrides) {
  Draft draft = draft_of(host, overrides);
  draft.transform = "internal resolver";
  std::erase(draft.content.nameservers, embedded_server);
  for (const ipam::Address& server : draft.content.nameservers)
    draft.external.push_back(overrides.nameservers.empty() ? "host(" + server.to_string() + ")"
                                                           : server.to_string());
  if (draft.external.empty()) draft.note = "NO EXTERNAL NAMESERVERS DEFINED";
  draft.content.nameservers = {embedded_server};

  std::erase_if(draft.content.options, [](const std::string& option) {
    return option.starts_with("ndots") && !parse_ndots(option);
  });
  if (ndots_of(draft.content.options) < 0) {
    draft.content.options.emplace_back("ndots:0");
    draft.ndots_from = "internal";
  }
  return text_of(draft);
}

std::string legacy_resolv_conf(const HostResolvConf& host, const ResolverOverrides& overrides,
                               bool ipv6) {
  Draft draft = draft_of(host, overrides);
  draft.transform = "legacy";
  if (overrides.nameservers.empty()) {
    std::erase_if(draft.content.nameservers, [&](const ipam::Address& server) {
      return server.is_loopback() || (server.is_v6() && !ipv6);
    });
    if (draft.content.nameservers.empty()) {
      draft.content.nameservers = default_servers(ipv6);
      draft.note = "Used default nameservers.";
    }
  }
  return text_of(draft);
}

std::string host_resolv_conf(const HostResolvConf& host, const ResolverOverrides& overrides) {
  return text_of(draft_of(host, overrides));
}

}  // namespace sandbox
