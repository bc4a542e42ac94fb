#include "netd/ctl/context.h"

#include <cstdlib>
#include <istream>
#include <nlohmann/json.hpp>
#include <ostream>

namespace netd::ctl {
namespace {

nlohmann::json result_of(const client::Response& response) {
  if (!response.ok()) throw Failed(response.message());
  return response.json();
}

}  // namespace

client::ClientOptions DaemonAddress::options() const {
  client::ClientOptions options;
  options.host = host;
  if (!tls_verify) return options;
  const char* directory = std::getenv("NETD_CERT_PATH");
  const auto file = [&](const std::string& given, const char* name) {
    if (!given.empty()) return given;
    if (directory && *directory) return std::string(directory) + "/" + name;
    throw UsageError(std::string("--tlsverify needs ") + name +
                     ": give --tlscacert, --tlscert and --tlskey, or the directory of ca.pem, "
                     "cert.pem and key.pem in NETD_CERT_PATH");
  };
  options.tls = client::TlsOptions{.ca_file = file(ca_file, "ca.pem"),
                                   .cert_file = file(cert_file, "cert.pem"),
                                   .key_file = file(key_file, "key.pem"),
                                   .verify = true};
  return options;
}

client::Client& DaemonApi::client() {
  if (!client_) client_ = std::make_unique<client::Client>(address_.options());
  return *client_;
}

client::Response DaemonApi::request(std::string_view method, const std::string& target,
                                    const nlohmann::json* body) {
  return client().request(method, target, body);
}

client::Response DaemonApi::stream(const std::string& target,
                                   const std::function<bool(std::string_view)>& on_line) {
  return client().stream(target, on_line);
}

nlohmann::json call(Context& context, std::string_view method, const std::string& target) {
  return result_of(context.api.request(method, target, nullptr));
}

nlohmann::json call(Context& context, std::string_view method, const std::string& target,
                    const nlohmann::json& body) {
  return result_of(context.api.request(method, target, &body));
}

void print_warnings(Context& context, const nlohmann::json& answer) {
  if (!answer.is_object()) return;
  std::vector<std::string> warnings = answer.value("Warnings", std::vector<std::string>());
  if (const std::string one = answer.value("Warning", ""); !one.empty()) warnings.push_back(one);
  for (const std::string& warning : warnings)
    context.err << "WARNING: " << warning << '\n';
}

void for_each_name(Context& context, const std::vector<std::string>& names,
                   const std::function<void(const std::string&)>& act) {
  for (const std::string& name : names) {
    try {
      act(name);
    } catch (const Failed& failure) {
      print_error(context, failure.what());
      context.status = Status::failed;
    }
  }
}

void inspect_each(Context& context, const std::string& path,
                  const std::vector<std::string>& names) {
  auto found = nlohmann::json::array();
  for_each_name(context, names, [&](const std::string& name) {
    found.push_back(call(context, "GET", path + client::encode(name)));
  });
  context.out << found.dump(4) << '\n';
}

void confirm(Context& context, std::string_view warning) {
  context.err << warning << "\nAre you sure you want to continue? [y/N] " << std::flush;
  std::string answer;
  std::getline(context.in, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return;
  throw Failed("nothing was removed; answer y, or give --force to skip the question");
}

void print_error(Context& context, std::string_view message) {
  context.err << "netctl: " << message << std::endl;
}

}  // namespace netd::ctl
