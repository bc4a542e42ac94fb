#include "netd/ctl/application.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "netd/ctl/commands.h"
#include "netd/ctl/completion.h"
#include "netd/ctl/run.h"

namespace netd::ctl {
namespace {

/// The deepest command that was named.
const CLI::App& deepest(const CLI::App& application) {
  const CLI::App* command = &application;
  while (!command->get_subcommands().empty())
    command = command->get_subcommands().front();
  return *command;
}

std::string full_name(const CLI::App& command) {
  if (!command.get_parent()) return command.get_name();
  return full_name(*command.get_parent()) + " " + command.get_name();
}

/// The first word that should be a command and is none, as an error text; empty when all are.
std::string describe_unknown_command(const CLI::App& application,
                                     const std::vector<std::string>& words) {
  const CLI::App* command = &application;
  for (std::size_t i = 0; i < words.size() && !command->get_subcommands({}).empty(); ++i) {
    const std::string& word = words[i];
    if (word == "-H" || word == "--host" || word == "--tlscacert" || word == "--tlscert" ||
        word == "--tlskey")
      ++i;
    if (word.starts_with('-')) continue;
    const CLI::App* next = find_subcommand(*command, word);
    if (!next) {
      const std::string nearest = nearest_subcommand(*command, word);
      return fmt::format("'{}' is no command of '{}'{}", word, full_name(*command),
                         nearest.empty() ? "" : "; did you mean '" + nearest + "'?");
    }
    command = next;
  }
  return "";
}

Status report_usage(Context& context, const CLI::App& application, const std::string& message) {
  print_error(context, message);
  context.err << "See '" << full_name(deepest(application)) << " --help'.\n";
  return Status::usage;
}

Status report_parse_error(Context& context, CLI::App& application, const CLI::ParseError& error,
                          const std::vector<std::string>& words) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {  // --help, --version
    application.exit(error, context.out, context.err);
    return Status::success;
  }
  const std::string unknown = describe_unknown_command(application, words);
  if (!unknown.empty()) return report_usage(context, application, unknown);
  const CLI::App& command = deepest(application);
  if (!command.get_subcommands({}).empty() && command.remaining_size() == 0 &&
      error.get_name() == "RequiredError") {
    const CLI::App* parent = command.get_parent();
    context.err << command.help(parent ? full_name(*parent)
                                       : "");  // a group without a command: show what it has
    return Status::usage;
  }
  return report_usage(context, application, error.what());
}

/// What to do about TLS that did not come about.
std::string_view advice(client::TlsProblem problem) {
  switch (problem) {
    case client::TlsProblem::untrusted:
      return "--tlscacert, or ca.pem in NETD_CERT_PATH, has to be of the daemon's authority.";
    case client::TlsProblem::expired:
    case client::TlsProblem::invalid:
      return "The daemon needs another certificate: docs/api-over-tcp.md tells how to make it.";
    case client::TlsProblem::wrong_name:
      return "-H or NETD_HOST has to say a name or IP address that is in the daemon's certificate.";
    case client::TlsProblem::refused:
    case client::TlsProblem::wanted:
      return "--tlscert and --tlskey, or cert.pem and key.pem in NETD_CERT_PATH, have to be a "
             "client's of the daemon's authority.";
    case client::TlsProblem::no_handshake:
      break;
  }
  return "Is it netd's TLS port? Plain HTTP is spoken without --tlsverify and NETD_TLS_VERIFY.";
}

Status parse_and_run(Context& context, CLI::App& application,
                     const std::vector<std::string>& words) {
  try {
    application.parse(std::vector(words.rbegin(), words.rend()));  // CLI11 takes them from the back
    return context.status;
  } catch (const CLI::ParseError& error) {
    return report_parse_error(context, application, error, words);
  } catch (const client::NoTls& error) {
    print_error(context, error.what());
    context.err << advice(error.problem) << '\n';
    return Status::no_daemon;
  } catch (const client::NoDaemon& error) {
    print_error(context, error.what());
    context.err << "Start it with 'systemctl start netd', or run 'netd' as root; -H or NETD_HOST "
                   "picks another address.\n";
    return Status::no_daemon;
  } catch (const UsageError& error) {
    return report_usage(context, application, error.what());
  } catch (const std::invalid_argument& error) {  // a daemon address that is none
    return report_usage(context, application, error.what());
  } catch (const std::exception& error) {
    print_error(context, error.what());
    return Status::failed;
  }
}

/// Moves what follows the first "--" out of the words: it belongs to the command that `exec` runs,
/// "-" and all.
std::vector<std::string> take_trailing(std::vector<std::string>& words) {
  const auto dashes = std::find(words.begin(), words.end(), "--");
  if (dashes == words.end()) return {};
  std::vector<std::string> trailing(dashes + 1, words.end());
  words.erase(dashes, words.end());
  return trailing;
}

bool runs_a_command(const std::vector<std::string>& words) {
  return std::find(words.begin(), words.end(), "exec") != words.end();
}

}  // namespace

CLI::Option* add_repeatable(CLI::App& command, const std::string& name,
                            std::vector<std::string>& values, const std::string& description) {
  return command.add_option(name, values, description)->allow_extra_args(false);
}

void add_list_options(CLI::App& command, ListOptions& options, const std::string& filter_keys) {
  command.add_option("--format", options.format, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  command.add_flag("-q,--quiet", options.quiet, "Ids or addresses only, for scripts");
  add_repeatable(command, "--filter", options.filters,
                 "Only those that match KEY=VALUE: " + filter_keys);
}

void add_full_ids(CLI::App& command, ListOptions& options) {
  command.add_flag("--no-trunc", options.full_ids, "Ids in full length");
}

std::unique_ptr<CLI::App> make_application(Context& context) {
  auto application = std::make_unique<CLI::App>("Container networks, administered", "netctl");
  application->require_subcommand(1);
  application->fallthrough();  // inherited: -H is understood behind the command too
  application->set_version_flag("--version", NETD_VERSION, "Version of netctl");
  DaemonAddress& daemon = context.daemon;
  application->add_option("-H,--host", daemon.host, "The daemon: unix://PATH or tcp://HOST:PORT")
      ->envname("NETD_HOST")
      ->capture_default_str();
  application->add_flag("--tlsverify", daemon.tls_verify,
                        "TLS, both sides with certificates (NETD_TLS_VERIFY=1)");
  application->add_option("--tlscacert", daemon.ca_file, "CA of the daemon's certificate")
      ->type_name("FILE");
  application->add_option("--tlscert", daemon.cert_file, "Our certificate")->type_name("FILE");
  application
      ->add_option("--tlskey", daemon.key_file, "The certificate's key (all in NETD_CERT_PATH)")
      ->type_name("FILE");
  add_network_commands(*application, context);
  add_sandbox_commands(*application, context);
  add_observing_commands(*application, context);
  add_cluster_commands(*application, context);
  add_oci_commands(*application, context);
  add_system_commands(*application, context);
  add_completion_command(*application, context);
  // Last: commands would inherit it.
  application->footer(
      "A first network:\n"
      "  netctl network create shop\n"
      "  netctl sandbox create --network shop -p 8080:80 web\n"
      "  netctl sandbox exec web -- ip -brief address\n"
      "  netctl topology\n\n"
      "Exit status: 0 done, 1 refused or failed, 2 wrong usage, 3 no daemon.\n"
      "'netctl COMMAND --help' tells more.");
  return application;
}

int run(std::vector<std::string> words, Context& context) {
  const auto application = make_application(context);
  if (!words.empty() && words.front() == completion_request) {
    words.erase(words.begin());
    for (const std::string& candidate : complete(*application, context, words)) {
      context.out << candidate << '\n';
    }
    return 0;
  }
  if (runs_a_command(words)) context.trailing = take_trailing(words);
  return static_cast<int>(parse_and_run(context, *application, words));
}

}  // namespace netd::ctl
