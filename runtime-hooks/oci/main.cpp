// netd-hook: an OCI runtime's hook. It starts at each container's start and stop, so it is small:
// no library that parses options, none for TLS.
#include <fmt/format.h>
#include <syslog.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "runtime-hooks/oci/hook.h"

namespace {

using namespace runtime_hooks;

constexpr int failed = 1, wrong_usage = 2;

constexpr const char* usage =
    "Usage: netd-hook [-H unix://PATH] [--deadline SECONDS] createRuntime|prestart|poststop\n"
    "\n"
    "Connects a container to netd's networks; an OCI runtime calls it with the container's state\n"
    "on stdin. 'netctl oci add-hooks BUNDLE' writes it into a bundle's config.json. Annotations "
    "of\n"
    "the container say what it is connected to: io.netd.networks, io.netd.publish and others, see\n"
    "netd-hook(8). Without any it joins the network 'bridge'.\n"
    "\n"
    "  -H, --host unix://PATH  where netd listens (NETD_HOST, unix:///run/netd/netd.sock)\n"
    "  --deadline SECONDS      when to give up (20); below the hook's timeout in config.json\n";

struct Options {
  std::string host = std::string(netd::client::default_host);
  Patience patience;
  std::string verb;
};

struct WrongUsage : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::chrono::seconds parse_deadline(const std::string& text) {
  int seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || end != text.data() + text.size() || seconds <= 0)
    throw WrongUsage(fmt::format("--deadline {}: not a number of seconds", text));
  return std::chrono::seconds(seconds);
}

Options parse(const std::vector<std::string>& words) {
  Options options;
  if (const char* host = std::getenv("NETD_HOST"); host && *host) options.host = host;
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string word = words[i], value;
    const std::size_t equals = word.starts_with("--") ? word.find('=') : std::string::npos;
    const bool takes_value =
        word == "-H" || word.starts_with("--host") || word.starts_with("--deadline");
    if (equals != std::string::npos) {
      value = word.substr(equals + 1);
      word.resize(equals);
    } else if (takes_value) {
      if (i + 1 == words.size()) throw WrongUsage(word + " needs a value");
      value = words[++i];
    }
    if (word == "-H" || word == "--host")
      options.host = value;
    else if (word == "--deadline")
      options.patience.in_all = parse_deadline(value);
    else if (word.starts_with('-'))
      throw WrongUsage("unknown option " + word);
    else if (!options.verb.empty())
      throw WrongUsage("one verb at a time: " + options.verb + " or " + word);
    else
      options.verb = word;
  }
  if (options.verb != "createRuntime" && options.verb != "prestart" && options.verb != "poststop")
    throw WrongUsage(options.verb.empty() ? "which hook is this?"
                                          : fmt::format("unknown hook '{}'", options.verb));
  return options;
}

/// On stderr, which runtimes show when the hook fails, and crun 1.8 never; so syslog(3) hears it,
/// too.
void say(const std::string& text) {
  if (text.empty()) return;
  std::cerr << text;
  syslog(LOG_DAEMON | LOG_ERR, "%s", text.c_str());
}

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

int run(const Options& options) {
  std::string subject = options.verb;
  // Said at once at the end: runtimes show stderr, and crun leaves it to its caller.
  std::ostringstream notes;
  try {
    const std::string state{std::istreambuf_iterator<char>(std::cin), {}};
    const oci::Container container = oci::read_container(state, read_file);
    subject = fmt::format("{} of container {}", options.verb, container.id);
    Daemon daemon(options.host, options.patience);
    oci::Hook hook(daemon, notes);
    options.verb == "poststop" ? hook.detach(container) : hook.attach(container);
    say(notes.str());
    return 0;
  } catch (const netd::client::NoDaemon& error) {
    say(notes.str() + fmt::format("netd-hook: {}: {}; does netd run there?{}\n", subject,
                                  error.what(),
                                  options.verb == "poststop"
                                      ? " It removes what is left of the container when it starts"
                                      : ""));
  } catch (const std::exception& error) {
    say(notes.str() + fmt::format("netd-hook: {}: {}\n", subject, error.what()));
  }
  return failed;
}

}  // namespace

int main(int count, char** arguments) {
  const std::vector<std::string> words(arguments + (count > 0 ? 1 : 0), arguments + count);
  for (const std::string& word : words) {
    if (word == "--help" || word == "-h") return std::fputs(usage, stdout) < 0;
    if (word == "--version") return std::puts("netd-hook " NETD_VERSION) < 0;
  }
  try {
    return run(parse(words));
  } catch (const WrongUsage& error) {
    std::cerr << "netd-hook: " << error.what() << '\n' << usage;
    return wrong_usage;
  }
}
