#include "sandbox/sysctl.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include "sandbox/fd.h"

namespace sandbox {
namespace {

[[noreturn]] void fail(const std::string& act) {
  throw std::system_error(errno, std::system_category(), act);
}

std::string path_of(const std::string& key) {
  std::istringstream parts(key);
  bool valid = !key.empty() && key.back() != '/';
  for (std::string part; std::getline(parts, part, '/');) {
    if (part.empty() || part == "." || part == "..") valid = false;
  }
  if (!valid || key.find('\0') != std::string::npos) {
    throw std::invalid_argument("sysctl '" + key + "' is no path below /proc/sys");
  }
  return "/proc/sys/" + key;
}

/// One blank between the fields: the kernel prints "32768\t60999" for what was written with a
/// blank.
std::string normalised(const std::string& value) {
  std::istringstream fields(value);
  std::string result;
  for (std::string field; fields >> field;)
    result += (result.empty() ? "" : " ") + field;
  return result;
}

}  // namespace

std::optional<std::string> read_sysctl(const std::string& key) {
  const std::string path = path_of(key);
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
  if (!file) fail("read sysctl " + key);
  std::array<char, 4096> buffer;  // a value of /proc/sys is at most a page
  const ssize_t length = ::read(file.get(), buffer.data(), buffer.size());
  if (length < 0) fail("read sysctl " + key);
  std::string value(buffer.data(), static_cast<std::size_t>(length));
  while (!value.empty() && value.back() == '\n')
    value.pop_back();
  return value;
}

void write_sysctl(const std::string& key, const std::string& value) {
  const auto present = read_sysctl(key);
  if (present && normalised(*present) == normalised(value)) return;
  const std::string act = "set sysctl " + key + " to " + value;
  const Fd file(::open(path_of(key).c_str(), O_WRONLY | O_CLOEXEC));
  if (!file) fail(act);
  if (::write(file.get(), value.data(), value.size()) < 0) fail(act);
}

}  // namespace sandbox
