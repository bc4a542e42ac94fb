#include "tests/cni/machine.h"

#include <filesystem>
#include <fstream>
#include <iterator>

namespace cni {
namespace {

using nlohmann::json;

std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text)
    result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

Answer CniTest::call(const Environment& environment, const std::string& input,
                     const std::string& plugin) {
  std::string command = "env -i PATH=\"$PATH\"";
  for (const auto& [key, value] : environment)
    command += " " + key + "=" + quoted(value);
  std::ofstream("/run/stdin") << input;
  Answer answer;
  answer.status =
      attempt(command + " " + plugin + " </run/stdin >/run/stdout 2>/run/stderr").status;
  answer.text = read_file("/run/stdout");
  answer.notes = read_file("/run/stderr");
  if (!answer.text.empty()) {
    answer.output = json::parse(answer.text, nullptr, false);
    EXPECT_TRUE(answer.output.is_object()) << "no JSON object: " << answer.text;
  }
  return answer;
}

Environment CniTest::environment_of(const std::string& command, const std::string& container,
                                    const std::string& interface) {
  if (!std::filesystem::exists(netns(container)))
    shell("ip netns add " + container + "; ip -n " + container + " link set lo up");
  return {{"CNI_COMMAND", command},
          {"CNI_CONTAINERID", container},
          {"CNI_NETNS", netns(container)},
          {"CNI_IFNAME", interface},
          {"CNI_PATH", "/usr/lib/cni"}};
}

json CniTest::conf(const json& more) {
  json result{{"cniVersion", "1.0.0"}, {"name", "podnet"}, {"type", "netd-cni"}};
  result.update(more);
  return result;
}

Answer CniTest::run(const std::string& command, const std::string& container,
                    const json& configuration, const std::string& interface) {
  return call(environment_of(command, container, interface), configuration.dump());
}

json CniTest::add(const std::string& container, const json& configuration,
                  const std::string& interface) {
  const Answer answer = run("ADD", container, configuration, interface);
  EXPECT_EQ(answer.status, 0) << answer.text << answer.notes;
  return answer.output;
}

std::string CniTest::inside(const std::string& container, const std::string& command) {
  return shell("ip netns exec " + container + " sh -c " + quoted(command));
}

std::string CniTest::address_in(const json& result) {
  const std::string text = result.at("ips").at(0).at("address").get<std::string>();
  return text.substr(0, text.find('/'));
}

}  // namespace cni
