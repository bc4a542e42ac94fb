#include "netd/dhcp/message.h"

#include <algorithm>
#include <array>

namespace netd::dhcp {
namespace {

// RFC 2131 2, figure 1. What follows `sname` and `file` is the magic cookie and the options.
constexpr std::size_t xid_at = 4, seconds_at = 8, flags_at = 10, client_at = 12, your_at = 16,
                      next_server_at = 20, relay_at = 24, mac_at_offset = 28, sname_at = 44,
                      file_at = 108, cookie_at = 236, options_at = 240;
constexpr std::size_t least_bytes = 300;
constexpr std::array<std::uint8_t, 4> cookie = {99, 130, 83, 99};
constexpr std::uint8_t ethernet = 1, mac_bytes = 6;
constexpr std::uint8_t pad = 0, end = 255;
constexpr std::size_t longest_option = 255;

using Options = std::map<std::uint8_t, Bytes>;

/// False when an option runs over the end of `field`.
bool read_options(View field, Options& options) {
  std::size_t at = 0;
  while (at < field.size() && field[at] != end) {
    const std::uint8_t code = field[at++];
    if (code == pad) continue;
    if (at == field.size()) return false;
    const std::size_t length = field[at++];
    if (field.size() - at < length) return false;
    append(options[code], field.subspan(at, length));
    at += length;
  }
  return true;
}

/// The options field, then `file`, then `sname`: RFC 3396 5 sets that order for joining pieces.
std::optional<Options> read_all_options(View payload) {
  Options options;
  if (!read_options(payload.subspan(options_at), options)) return std::nullopt;
  const auto found = options.find(option::overload);
  if (found == options.end()) return options;
  const std::uint8_t fields = found->second.size() == 1 ? found->second[0] : 0;
  if ((fields & 1) && !read_options(payload.subspan(file_at, cookie_at - file_at), options))
    return std::nullopt;
  if ((fields & 2) && !read_options(payload.subspan(sname_at, file_at - sname_at), options))
    return std::nullopt;
  options.erase(option::overload);
  return options;
}

/// RFC 3396: what is longer than one option can hold goes on in the next of the same code.
void write_option(Bytes& bytes, std::uint8_t code, View value) {
  do {
    const View piece = value.first(std::min(value.size(), longest_option));
    bytes.push_back(code);
    bytes.push_back(static_cast<std::uint8_t>(piece.size()));
    append(bytes, piece);
    value = value.subspan(piece.size());
  } while (!value.empty());
}

}  // namespace

std::string to_string(Type type) {
  static constexpr std::array names = {"?",   "DISCOVER", "OFFER",   "REQUEST", "DECLINE",
                                       "ACK", "NAK",      "RELEASE", "INFORM"};
  return names.at(static_cast<std::size_t>(type));
}

std::optional<ipam::Address> Message::address(std::uint8_t code) const {
  const auto found = options.find(code);
  if (found == options.end() || found->second.size() != 4) return std::nullopt;
  return v4_at(found->second, 0);
}

std::vector<ipam::Address> Message::addresses(std::uint8_t code) const {
  std::vector<ipam::Address> result;
  const auto found = options.find(code);
  if (found == options.end() || found->second.size() % 4 != 0) return result;
  for (std::size_t at = 0; at < found->second.size(); at += 4)
    result.push_back(v4_at(found->second, at));
  return result;
}

std::optional<std::chrono::seconds> Message::duration(std::uint8_t code) const {
  const auto found = options.find(code);
  if (found == options.end() || found->second.size() != 4) return std::nullopt;
  return std::chrono::seconds(u32_at(found->second, 0));
}

std::optional<std::uint16_t> Message::number(std::uint8_t code) const {
  const auto found = options.find(code);
  if (found == options.end() || found->second.size() != 2) return std::nullopt;
  return u16_at(found->second, 0);
}

std::string Message::text(std::uint8_t code) const {
  const auto found = options.find(code);
  if (found == options.end()) return {};
  std::string result(found->second.begin(), found->second.end());
  while (!result.empty() && result.back() == '\0')
    result.pop_back();
  std::replace_if(
      result.begin(), result.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return result;
}

std::vector<Route> Message::routes() const {
  const auto found = options.find(option::classless_routes);
  if (found == options.end()) return {};
  const Bytes& bytes = found->second;
  std::vector<Route> result;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t length = bytes[at++];
    const std::size_t significant = (length + 7) / 8;  // RFC 3442: only these bytes are sent
    if (length > 32 || bytes.size() - at < significant + 4) return {};
    std::array<std::uint8_t, 4> destination{};
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), significant, destination.begin());
    const ipam::Prefix prefix{v4_at(destination, 0), static_cast<int>(length)};
    // RFC 3442: bits beyond the length that are set don't count.
    result.push_back({prefix.masked(), v4_at(bytes, at + significant)});
    at += significant + 4;
  }
  return result;
}

void Message::set(std::uint8_t code, const ipam::Address& value) {
  set(code, std::vector{value});
}

void Message::set(std::uint8_t code, const std::vector<ipam::Address>& values) {
  Bytes bytes;
  for (const ipam::Address& value : values)
    append(bytes, value);
  options[code] = std::move(bytes);
}

void Message::set(std::uint8_t code, std::chrono::seconds value) {
  Bytes bytes;
  append_u32(bytes, static_cast<std::uint32_t>(value.count()));
  options[code] = std::move(bytes);
}

void Message::set(std::uint8_t code, std::uint16_t value) {
  Bytes bytes;
  append_u16(bytes, value);
  options[code] = std::move(bytes);
}

void Message::set(std::uint8_t code, std::string_view value) {
  options[code] = Bytes(value.begin(), value.end());
}

void Message::set_routes(const std::vector<Route>& routes) {
  Bytes bytes;
  for (const Route& route : routes) {
    const auto significant = static_cast<std::size_t>(route.destination.length + 7) / 8;
    bytes.push_back(static_cast<std::uint8_t>(route.destination.length));
    append(bytes, route.destination.address.bytes().first(significant));
    append(bytes, route.gateway);
  }
  options[option::classless_routes] = std::move(bytes);
}

Bytes encode(const Message& message) {
  Bytes bytes = {static_cast<std::uint8_t>(message.is_reply ? 2 : 1), ethernet, mac_bytes, 0};
  append_u32(bytes, message.xid);
  append_u16(bytes, message.seconds);
  append_u16(bytes, message.broadcast ? 0x8000 : 0);
  append(bytes, message.client_address);
  append(bytes, message.your_address);
  append(bytes, message.next_server);
  append(bytes, message.relay);
  append(bytes, message.mac);
  bytes.resize(cookie_at);  // the rest of chaddr, sname, file
  append(bytes, cookie);
  write_option(bytes, option::type, std::array{static_cast<std::uint8_t>(message.type)});
  for (const auto& [code, value] : message.options)
    write_option(bytes, code, value);
  bytes.push_back(end);
  if (bytes.size() < least_bytes) bytes.resize(least_bytes);
  return bytes;
}

std::optional<Message> parse(View payload) {
  if (payload.size() < options_at) return std::nullopt;
  if (payload[0] != 1 && payload[0] != 2) return std::nullopt;
  if (payload[1] != ethernet || payload[2] != mac_bytes) return std::nullopt;
  if (!std::ranges::equal(payload.subspan(cookie_at, cookie.size()), cookie)) return std::nullopt;
  auto options = read_all_options(payload);
  if (!options) return std::nullopt;
  const auto type = options->find(option::type);
  if (type == options->end() || type->second.size() != 1) return std::nullopt;
  const std::uint8_t code = type->second[0];
  if (code < 1 || code > static_cast<std::uint8_t>(Type::inform)) return std::nullopt;
  options->erase(type);
  return Message{.type = static_cast<Type>(code),
                 .is_reply = payload[0] == 2,
                 .broadcast = (payload[flags_at] & 0x80) != 0,
                 .xid = u32_at(payload, xid_at),
                 .seconds = u16_at(payload, seconds_at),
                 .client_address = v4_at(payload, client_at),
                 .your_address = v4_at(payload, your_at),
                 .next_server = v4_at(payload, next_server_at),
                 .relay = v4_at(payload, relay_at),
                 .mac = mac_at(payload, mac_at_offset),
                 .options = std::move(*options)};
}

}  // namespace netd::dhcp
