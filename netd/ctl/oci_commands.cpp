// oci add-hooks.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <ostream>
#include <system_error>

#include "netd/ctl/application.h"
#include "netd/ctl/commands.h"
#include "netd/ctl/oci_bundle.h"

namespace netd::ctl {
namespace {

namespace fs = std::filesystem;

struct HookOptions {
  std::string bundle;
  std::string hook;
  bool remove = false;
};

/// netd-hook as it is installed with this netctl, or beside it in a build tree.
std::string find_hook() {
  std::error_code error;
  const fs::path directory = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& path : {directory / "../libexec/netd/netd-hook", directory / "netd-hook"})
    if (fs::exists(path, error)) return fs::canonical(path);
  throw Failed(fmt::format("netd-hook is not where it is installed ({}): say where with --hook",
                           (directory / "../libexec/netd/netd-hook").lexically_normal().string()));
}

std::string check_hook(const std::string& path) {
  if (access(path.c_str(), X_OK) != 0 || !fs::is_regular_file(path))
    throw Failed(fmt::format("--hook {}: there is no such program", path));
  return fs::canonical(path);
}

std::string read_text(const fs::path& path) {
  std::ifstream file(path);
  if (!file)
    throw Failed(fmt::format("{}: there is no config.json that can be read; 'runc spec' makes one",
                             path.string()));
  return {std::istreambuf_iterator<char>(file), {}};
}

/// All of the new file or all of the old one, with the old one's mode.
void replace_text(const fs::path& path, const std::string& text) {
  const fs::path fresh = path.string() + ".netd-new";
  std::ofstream file(fresh);
  file << text;
  file.close();
  std::error_code error;
  if (file) fs::permissions(fresh, fs::status(path).permissions(), error);
  if (file && !error) fs::rename(fresh, path, error);
  if (file && !error) return;
  std::error_code ignored;
  fs::remove(fresh, ignored);
  throw Failed(fmt::format("write {}: {}", path.string(),
                           error ? error.message() : "the file could not be written"));
}

void make_files(const fs::path& directory) {
  fs::create_directory(directory);
  for (const char* name : bundle_files)
    if (!fs::exists(directory / name)) std::ofstream(directory / name).flush();
}

void remove_files(const fs::path& directory) {
  std::error_code ignored;
  for (const char* name : bundle_files)
    fs::remove(directory / name, ignored);
  fs::remove(directory, ignored);  // unless the user has put something there
}

void change_hooks(Context& context, const HookOptions& options) {
  std::error_code error;
  const fs::path bundle = fs::canonical(options.bundle, error);
  if (error) throw Failed(fmt::format("bundle {}: {}", options.bundle, error.message()));
  const fs::path path = bundle / "config.json";
  const std::string original = read_text(path);
  const fs::path files = bundle / "netd";
  try {
    auto config = nlohmann::ordered_json::parse(original);
    if (options.remove) {
      remove_hooks(config, files);
    } else {
      const std::string& host = context.daemon.host;
      add_hooks(config, {.path = options.hook.empty() ? find_hook() : check_hook(options.hook),
                         .host = host == client::default_host ? "" : host,
                         .files_directory = files});
      make_files(files);
    }
    if (const std::string text = format_like(config, original); text != original)
      replace_text(path, text);
  } catch (const nlohmann::json::exception& problem) {
    throw Failed(fmt::format("{}: {}", path.string(), problem.what()));
  } catch (const std::invalid_argument& problem) {
    throw Failed(fmt::format("{}: {}", path.string(), problem.what()));
  }
  if (options.remove) remove_files(files);
}

}  // namespace

void add_oci_commands(CLI::App& application, Context& context) {
  CLI::App* oci = application.add_subcommand("oci", "Containers of runc, crun and their callers");
  oci->require_subcommand(1);
  auto options = std::make_shared<HookOptions>();
  CLI::App* command =
      oci->add_subcommand("add-hooks", "Write netd's hooks and files into a bundle's config.json");
  command->add_flag("--remove", options->remove, "Take them out again");
  command->add_option("--hook", options->hook, "The program, else the one installed with netctl")
      ->type_name("FILE");
  command->add_option("BUNDLE", options->bundle, "The directory with config.json")->required();
  command->footer(
      "What is there already stays; doing it twice changes nothing. Annotations in config.json "
      "say\n"
      "what the container is connected to; without any it joins the network 'bridge'.\n\n"
      "Examples:\n"
      "  runc spec -b web && netctl oci add-hooks web && runc run -b web web\n"
      "  jq '.annotations += "
      "{\"io.netd.networks\":\"shop:alias=www\",\"io.netd.publish\":\"8080:80\"}' "
      "config.json\n"
      "  netctl oci add-hooks --remove web");
  command->callback([&context, options] { change_hooks(context, *options); });
}

}  // namespace netd::ctl
