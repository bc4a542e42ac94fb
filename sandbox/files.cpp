#include "sandbox/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <system_error>

#include "sandbox/fd.h"

namespace sandbox {
namespace {

constexpr std::size_t largest_file = 1 << 20;

[[noreturn]] void fail(const std::string& act) {
  throw std::system_error(errno, std::system_category(), act);
}

// ---- hosts ----

bool is_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](unsigned char c) {
    return c > 0x20 && c != 0x7f && c != '#';
  });
}

std::string line_of(const HostsEntry& entry) {
  std::string line = entry.address.to_string() + "\t";
  for (std::size_t i = 0; i < entry.names.size(); ++i) {
    if (!is_name(entry.names[i]))
      throw std::invalid_argument(
          fmt::format("host name \"{}\" holds a character that hosts(5) can't", entry.names[i]));
    line += (i == 0 ? "" : " ") + entry.names[i];
  }
  return line + "\n";
}

// ---- files ----

Fd open_file(const std::string& path, int flags) {
  return Fd(open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0644));
}

/// Absent when there is no such file.
std::optional<std::string> read_file(const std::string& path) {
  const Fd file = open_file(path, O_RDONLY);
  if (!file && errno == ENOENT) return std::nullopt;
  if (!file) fail("open " + path);
  std::string text;
  char buffer[4096];
  ssize_t count = 0;
  while (text.size() < largest_file && (count = read(file.get(), buffer, sizeof buffer)) > 0)
    text.append(buffer, static_cast<std::size_t>(count));
  if (count < 0) fail("read " + path);
  return text;
}

/// The old text is overwritten and then cut, so that no reader finds the file empty.
void write_file(const std::string& path, std::string_view text) {
  const Fd file = open_file(path, O_WRONLY | O_CREAT);
  if (!file || fchmod(file.get(), 0644) < 0) fail("open " + path);
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t count = write(file.get(), text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail("write " + path);
    done += static_cast<std::size_t>(count);
  }
  if (ftruncate(file.get(), static_cast<off_t>(text.size())) < 0) fail("truncate " + path);
}

void update_file(const std::string& path, std::string_view text) {
  if (read_file(path) != text) write_file(path, text);
}

void make_directory(const std::string& path) {
  if (mkdir(path.c_str(), 0755) < 0 && errno != EEXIST) fail("create directory " + path);
}

/// FNV-1a, 64 bits: finds an edit, and needs no more than that.
std::string hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text)
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return fmt::format("{:016x}\n", hash);
}

}  // namespace

std::string hosts_text(const Hosts& hosts) {
  std::string text = "127.0.0.1\tlocalhost\n";
  if (hosts.ipv6)
    text +=
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::\tip6-localnet\n"
        "ff00::\tip6-mcastprefix\n"
        "ff02::1\tip6-allnodes\n"
        "ff02::2\tip6-allrouters\n";
  for (const HostsEntry& entry : hosts.extra)
    text += line_of(entry);
  for (const HostsEntry& entry : hosts.own)
    text += line_of(entry);
  return text;
}

std::vector<std::string> own_names(std::string_view hostname, std::string_view domainname) {
  if (hostname.empty()) return {};
  std::string full(hostname);
  if (!domainname.empty()) full.append(".").append(domainname);
  const std::size_t dot = full.find('.');
  if (dot == std::string::npos || dot == 0) return {full};
  return {full, full.substr(0, dot)};
}

std::vector<HostsEntry> parse_extra_host(std::string_view text,
                                         const std::vector<ipam::Address>& host_gateway) {
  const std::size_t separator = text.find_first_of(":=");
  const std::string name(text.substr(0, separator));
  if (separator == std::string_view::npos || !is_name(name))
    throw std::invalid_argument(fmt::format("bad format for add-host: \"{}\"", text));
  std::string_view value = text.substr(separator + 1);

  if (value == "host-gateway") {
    if (host_gateway.empty())
      throw std::invalid_argument(
          "unable to derive the IP value for host-gateway: no network has a gateway");
    std::vector<HostsEntry> entries;
    for (const ipam::Address& address : host_gateway)
      entries.push_back({address, {name}});
    return entries;
  }
  if (value.starts_with('[') && value.ends_with(']')) value = value.substr(1, value.size() - 2);
  const auto address = ipam::Address::parse(value);
  if (!address)
    throw std::invalid_argument(fmt::format("invalid IP address in add-host: \"{}\"", value));
  return {{*address, {name}}};
}

bool write_sandbox_files(const std::string& directory, const SandboxFiles& files) {
  make_directory(directory);
  update_file(directory + "/hostname", files.hostname + "\n");
  write_hosts(directory, files.hosts);
  return write_resolv_conf(directory, files.resolv_conf);
}

void write_hosts(const std::string& directory, const std::string& text) {
  update_file(directory + "/hosts", text);
}

bool write_resolv_conf(const std::string& directory, const std::string& text) {
  const std::string path = directory + "/resolv.conf";
  const std::string hash_path = path + ".hash";
  const std::optional<std::string> present = read_file(path);
  const std::string hashes = read_file(hash_path).value_or("");
  const std::string present_hash = hash_of(present.value_or(""));
  const bool is_edited =
      present && !present->empty() && hashes.find(present_hash) == std::string::npos;
  if (is_edited) return false;
  if (present == text) return true;
  // Both hashes, and first: killed between the two writes, netd still knows its own file.
  write_file(hash_path, hash_of(text) + present_hash);
  write_file(path, text);
  return true;
}

void remove_sandbox_files(const std::string& directory) {
  for (const char* name : {"/hosts", "/hostname", "/resolv.conf", "/resolv.conf.hash"}) {
    const std::string path = directory + name;
    if (unlink(path.c_str()) < 0 && errno != ENOENT && errno != ENOTDIR) fail("remove " + path);
  }
  if (rmdir(directory.c_str()) < 0 && errno != ENOENT && errno != ENOTEMPTY)
    fail("remove directory " + directory);
}

}  // namespace sandbox
