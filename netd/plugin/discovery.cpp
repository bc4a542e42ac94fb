#include "netd/plugin/discovery.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "netd/api/json_reader.h"

namespace netd::plugin {
namespace {

constexpr std::size_t longest_name = 128;
constexpr std::size_t file_limit_bytes = 64 * 1024;
constexpr std::array<std::string_view, 8> own_names{"bridge",  "host",   "null",    "none",
                                                    "macvlan", "ipvlan", "overlay", "default"};

[[noreturn]] void refuse(const std::string& file, const std::string& why) {
  throw std::invalid_argument(fmt::format("plugin file {}: {}", file, why));
}

bool is_socket(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
}

std::optional<std::string> read_file(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  std::ifstream stream(path, std::ios::binary);
  if (!stream) refuse(path, "can't be read");
  std::string text(file_limit_bytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (text.size() > file_limit_bytes) refuse(path, "is larger than 64 KiB");
  return text;
}

void check_url(const std::string& url, const std::string& file) {
  const std::size_t colon = url.find("://");
  if (colon == std::string::npos || colon == 0)
    refuse(file, fmt::format("\"{}\" has no scheme: write it like unix:///run/x.sock or "
                             "tcp://192.0.2.1:8080",
                             url.substr(0, 200)));
  const std::string scheme = url.substr(0, colon);
  const std::string rest = url.substr(colon + 3);
  if (scheme != "unix" && scheme != "tcp" && scheme != "http" && scheme != "https")
    refuse(file, fmt::format("scheme \"{}\" is unknown: use unix, tcp, http or https", scheme));
  if (rest.empty() || (scheme == "unix" && rest[0] != '/'))
    refuse(file, fmt::format("\"{}\" names no address", url.substr(0, 200)));
  if (std::ranges::any_of(url, [](unsigned char c) { return c <= ' ' || c == 0x7f; }))
    refuse(file, "the address holds a space or a control character");
}

std::optional<Location> find_socket(const std::string& directory, const std::string& name) {
  for (const std::string& path : {fmt::format("{}/{}.sock", directory, name),
                                  fmt::format("{0}/{1}/{1}.sock", directory, name)})
    if (is_socket(path)) return Location{.url = "unix://" + path, .tls = {}, .source = path};
  return std::nullopt;
}

std::optional<Location> find_file(const std::string& directory, const std::string& name) {
  for (const char* pattern : {"{0}/{1}", "{0}/{1}/{1}"}) {
    const std::string base = fmt::format(fmt::runtime(pattern), directory, name);
    if (const auto text = read_file(base + ".spec")) return parse_spec(*text, base + ".spec");
    if (const auto text = read_file(base + ".json")) return parse_json(*text, base + ".json");
  }
  return std::nullopt;
}

}  // namespace

bool is_plugin_name(std::string_view name) {
  const auto plain = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
  };
  return !name.empty() && name.size() <= longest_name && name[0] != '.' &&
         std::ranges::all_of(name, plain) && std::ranges::find(own_names, name) == own_names.end();
}

std::optional<Location> find_plugin(const Directories& directories, std::string_view name) {
  if (!is_plugin_name(name)) return std::nullopt;
  const std::string text(name);
  for (const std::string& directory : directories.sockets)
    if (auto found = find_socket(directory, text)) return found;
  for (const std::string& directory : directories.files)
    if (auto found = find_file(directory, text)) return found;
  return std::nullopt;
}

Location parse_spec(std::string_view text, const std::string& file) {
  constexpr std::string_view blank = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(blank);
  if (begin == std::string_view::npos) refuse(file, "is empty: one line with an URL is expected");
  const std::size_t end = text.find_last_not_of(blank);
  Location location{
      .url = std::string(text.substr(begin, end - begin + 1)), .tls = {}, .source = file};
  check_url(location.url, file);
  return location;
}

Location parse_json(std::string_view text, const std::string& file) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded()) refuse(file, "is not JSON");
  try {
    const api::JsonObject object(json, "");
    Location location{.url = object.text("Addr"), .tls = {}, .source = file};
    if (location.url.empty()) refuse(file, "\"Addr\" is missing");
    check_url(location.url, file);
    if (!object.find("TLSConfig")) return location;
    const api::JsonObject tls = object.object("TLSConfig");
    location.tls = {.insecure_skip_verify = tls.flag("InsecureSkipVerify"),
                    .ca_file = tls.text("CAFile"),
                    .certificate_file = tls.text("CertFile"),
                    .key_file = tls.text("KeyFile")};
    if (location.tls->ca_file.empty()) location.tls->insecure_skip_verify = true;
    return location;
  } catch (const std::invalid_argument& error) {
    const std::string what = error.what();
    if (what.starts_with("plugin file ")) throw;
    refuse(file, what);
  }
}

}  // namespace netd::plugin
