#include "sandbox/wireguard_text.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <stdexcept>
#include <system_error>

namespace sandbox::wireguard_text {
namespace {

[[noreturn]] void refuse(std::string_view line) {
  throw std::runtime_error(fmt::format("wireguard-go said what can't be read: {}", line));
}

template <class Number>
Number number(std::string_view text, std::string_view line) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) refuse(line);
  return value;
}

/// "192.0.2.1:51871", "[2001:db8::1]:51871"
void parse_endpoint(std::string_view text, WireguardPeer& peer, std::string_view line) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) refuse(line);
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto address = ipam::Address::parse(host);
  if (!address) refuse(line);
  peer.host = *address;
  peer.port = number<std::uint16_t>(text.substr(colon + 1), line);
}

/// Calls take(key, value, line) for each line "key=value".
template <class Take>
void each_line(std::string_view answer, const Take& take) {
  while (!answer.empty()) {
    const std::size_t end = std::min(answer.find('\n'), answer.size());
    const std::string_view line = answer.substr(0, end);
    answer.remove_prefix(std::min(end + 1, answer.size()));
    if (line.empty()) continue;
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) refuse(line);
    take(line.substr(0, equals), line.substr(equals + 1), line);
  }
}

WireguardKey key_of(std::string_view hex, std::string_view line) {
  const auto key = WireguardKey::parse(hex);
  // Not the line: a private key stays out of logs.
  if (!key) refuse(line.substr(0, line.find('=')));
  return *key;
}

void check(int code, const std::string& act) {
  if (code != 0) throw std::system_error(std::abs(code), std::system_category(), act);
}

}  // namespace

WireguardFacts parse_facts(std::string_view answer) {
  WireguardFacts facts;
  WireguardKey key;
  WireguardPeer* peer = nullptr;
  bool complete = false;
  each_line(answer, [&](std::string_view name, std::string_view value, std::string_view line) {
    if (name == "errno") {
      check(number<int>(value, line), "ask wireguard-go");
      complete = true;
    } else if (name == "private_key") {
      facts.private_key = key_of(value, line);
    } else if (name == "listen_port") {
      facts.port = number<std::uint16_t>(value, line);
    } else if (name == "public_key") {
      key = key_of(value, line);
      peer = &facts.peers[key];
    } else if (name == "endpoint" && peer) {
      parse_endpoint(value, *peer, line);
    } else if (name == "allowed_ip" && peer) {
      const auto prefix = ipam::Prefix::parse(value);
      if (!prefix) refuse(line);
      peer->inside = prefix->address;
    } else if (name == "last_handshake_time_sec" && peer) {
      if (const auto time = number<std::int64_t>(value, line); time > 0)
        facts.handshakes[key] = time;
    }
  });
  if (!complete) refuse("an answer without its end");
  return facts;
}

void check_answer(std::string_view answer, const std::string& act) {
  bool complete = false;
  each_line(answer, [&](std::string_view name, std::string_view value, std::string_view line) {
    if (name != "errno") return;
    check(number<int>(value, line), act);
    complete = true;
  });
  if (!complete) refuse("an answer without its end");
}

std::string set_link(const WireguardKey& private_key, std::uint16_t port) {
  return fmt::format("set=1\nprivate_key={}\nlisten_port={}\n\n", private_key.to_string(), port);
}

std::string put_peer(const WireguardKey& key, const WireguardPeer& peer) {
  const std::string host =
      peer.host.is_v4() ? peer.host.to_string() : fmt::format("[{}]", peer.host.to_string());
  std::string text = fmt::format("set=1\npublic_key={}\nendpoint={}:{}\nreplace_allowed_ips=true\n",
                                 key.to_string(), host, peer.port);
  if (peer.inside)
    text += fmt::format("allowed_ip={}/{}\n", peer.inside->to_string(),
                        peer.inside->is_v4() ? 32 : 128);
  // Off and on: with that it says hello at once.
  text += fmt::format("persistent_keepalive_interval=0\npersistent_keepalive_interval={}\n\n",
                      keepalive_seconds);
  return text;
}

std::string erase_peer(const WireguardKey& key) {
  return fmt::format("set=1\npublic_key={}\nupdate_only=true\nremove=true\n\n", key.to_string());
}

}  // namespace sandbox::wireguard_text
