// The rules of the CNI spec about environment, stdin, versions and errors, as a table.
#include <gmock/gmock.h>

#include "tests/cni/machine.h"

namespace cni {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class ContractTest : public CniTest {};

/// A call that is refused before anything is asked of netd.
struct Refused {
  const char* what;
  Environment change;  // of ADD's environment; "" = not set
  std::string input;
  int code;
  const char* message;
};

const std::string good = R"({"cniVersion":"1.1.0","name":"podnet","type":"netd-cni"})";

std::string with_version(const std::string& version) {
  return R"({"cniVersion":")" + version + R"(","name":"podnet","type":"netd-cni"})";
}

std::string with(const std::string& more) {
  return R"({"cniVersion":"1.1.0","name":"podnet","type":"netd-cni",)" + more + "}";
}

const std::vector<Refused> refused{
    {"no container",
     {{"CNI_CONTAINERID", ""}},
     good,
     4,
     "required env variables [CNI_CONTAINERID] missing"},
    {"nothing but the command",
     {{"CNI_CONTAINERID", ""}, {"CNI_NETNS", ""}, {"CNI_IFNAME", ""}, {"CNI_PATH", ""}},
     good,
     4,
     "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH] missing"},
    {"CHECK without namespace",
     {{"CNI_COMMAND", "CHECK"}, {"CNI_NETNS", ""}},
     good,
     4,
     "required env variables [CNI_NETNS] missing"},
    {"DEL needs all but the namespace",
     {{"CNI_COMMAND", "DEL"},
      {"CNI_CONTAINERID", ""},
      {"CNI_NETNS", ""},
      {"CNI_IFNAME", ""},
      {"CNI_PATH", ""}},
     good,
     4,
     "required env variables [CNI_CONTAINERID,CNI_IFNAME,CNI_PATH] missing"},
    {"GC without path",
     {{"CNI_COMMAND", "GC"}, {"CNI_PATH", ""}},
     good,
     4,
     "required env variables [CNI_PATH] missing"},
    {"STATUS without path",
     {{"CNI_COMMAND", "STATUS"}, {"CNI_PATH", ""}},
     good,
     4,
     "required env variables [CNI_PATH] missing"},
    {"bad container id",
     {{"CNI_CONTAINERID", "a/b"}},
     good,
     4,
     "invalid characters in CNI_CONTAINERID"},
    {"long interface", {{"CNI_IFNAME", "sixteen-letters-"}}, good, 4, "interface name is too long"},
    {"dots", {{"CNI_IFNAME", ".."}}, good, 4, "interface name is . or .."},
    {"slash", {{"CNI_IFNAME", "a/b"}}, good, 4, "interface name contains / or : or whitespace"},
    {"space", {{"CNI_IFNAME", "a b"}}, good, 4, "interface name contains / or : or whitespace"},
    {"colon", {{"CNI_IFNAME", "a:b"}}, good, 4, "interface name contains / or : or whitespace"},
    {"unknown command", {{"CNI_COMMAND", "PLAY"}}, good, 4, "unknown CNI_COMMAND: PLAY"},
    {"unknown command, stdin is read first",
     {{"CNI_COMMAND", "PLAY"}},
     "",
     6,
     "error unmarshall network config"},
    {"empty stdin", {}, "", 6, "error unmarshall network config"},
    {"no JSON", {}, "{", 6, "error unmarshall network config"},
    {"a list", {}, "[]", 6, "error unmarshall network config"},
    {"a field of another kind", {}, with(R"("ipam":[])"), 6, "ipam: expected an object"},
    {"a number where a text is", {}, with(R"("network":4)"), 6, "network: expected a text"},
    {"deep",
     {},
     with("\"args\":" + std::string(500, '[') + std::string(500, ']')),
     6,
     "nested too deeply"},
    {"no name", {}, R"({"cniVersion":"1.1.0","type":"netd-cni"})", 7, "missing network name"},
    {"bad name",
     {},
     R"({"cniVersion":"1.1.0","name":"a b"})",
     7,
     "invalid characters found in network name"},
    {"future version", {}, with_version("9.0.0"), 1, "incompatible CNI versions"},
    {"no version number", {}, with_version("new"), 1, "incompatible CNI versions"},
    {"CHECK came with 0.4.0",
     {{"CNI_COMMAND", "CHECK"}},
     with_version("0.3.1"),
     1,
     "config version does not allow CHECK"},
    {"GC came with 1.1.0",
     {{"CNI_COMMAND", "GC"}},
     with_version("1.0.0"),
     1,
     "config version does not allow GC"},
    {"STATUS came with 1.1.0",
     {{"CNI_COMMAND", "STATUS"}},
     with_version("1.0.0"),
     1,
     "config version does not allow STATUS"},
    {"CHECK without result", {{"CNI_COMMAND", "CHECK"}}, good, 7, "required prevResult missing"},
    {"GC without a list", {{"CNI_COMMAND", "GC"}}, good, 7, "cni.dev/valid-attachments missing"},
    {"CNI_ARGS without =", {{"CNI_ARGS", "IP"}}, good, 4, "CNI_ARGS: invalid pair \"IP\""},
    {"unknown CNI_ARGS",
     {{"CNI_ARGS", "COLOUR=red;IP=10.5.0.9"}},
     good,
     4,
     "CNI_ARGS: unknown args [COLOUR=red]"},
    {"unknown CNI_ARGS, not ignored",
     {{"CNI_ARGS", "IgnoreUnknown=0;COLOUR=red"}},
     good,
     4,
     "CNI_ARGS: unknown args [COLOUR=red]"},
    {"no such namespace",
     {{"CNI_NETNS", "/run/netns/nobody"}},
     good,
     8,
     "there is no such network namespace"},
    {"the host's namespace",
     {{"CNI_NETNS", "/proc/self/ns/net"}},
     good,
     8,
     "plugin's netns and netns from CNI_NETNS should not be the same"},
    {"no host port",
     {},
     with(R"("runtimeConfig":{"portMappings":[{"containerPort":80}]})"),
     7,
     "Invalid host port number: 0"},
    {"no container port",
     {},
     with(R"("runtimeConfig":{"portMappings":[{"hostPort":80}]})"),
     7,
     "Invalid container port number: 0"},
    {"a range that is no prefix",
     {},
     with(R"("ipam":{"ranges":[[{"subnet":"10.5.0.0/16","rangeStart":"10.5.0.9"}]]})"),
     2,
     "unsupported field ipam.ranges[0][0].rangeStart"},
    {"a route without a gateway",
     {},
     with(R"("ipam":{"routes":[{"dst":"10.9.0.0/16"}]})"),
     2,
     "unsupported field ipam.routes[0].dst"},
    {"two addresses of a family",
     {},
     with(R"("runtimeConfig":{"ips":["10.5.0.2","10.5.0.3"]})"),
     2,
     "one address of a family"},
    {"not netd's host", {}, with(R"("host":"ftp://x")"), 7, "ftp://x"},
};

TEST_F(ContractTest, RefusesWithTheCodesAndWordsThatRuntimesKnow) {
  for (const Refused& one : refused) {
    SCOPED_TRACE(one.what);
    Environment environment = environment_of("ADD", "c1");
    for (const auto& [key, value] : one.change)
      if (value.empty())
        environment.erase(key);
      else
        environment[key] = value;
    const Answer answer = call(environment, one.input);
    EXPECT_EQ(answer.status, 1);
    EXPECT_EQ(answer.code(), one.code) << answer.text;
    EXPECT_THAT(answer.message(), HasSubstr(one.message));
    EXPECT_TRUE(answer.output.contains("cniVersion"));
    EXPECT_EQ(answer.notes, "");
  }
  EXPECT_EQ(api("/sandboxes"), json::array());
}

TEST_F(ContractTest, TellsItsVersionsWithoutReadingStdin) {
  for (const char* input : {"", "no JSON"}) {
    const Answer answer = call({{"CNI_COMMAND", "VERSION"}}, input);
    EXPECT_EQ(answer.status, 0);
    EXPECT_EQ(answer.output, json::parse(R"({"cniVersion":"1.1.0","supportedVersions":
        ["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]})"));
  }
}

TEST_F(ContractTest, TellsWhatItIsWithoutACommand) {
  const Answer answer = call({}, "");
  EXPECT_EQ(answer.status, 0);
  EXPECT_EQ(answer.text, "");
  EXPECT_THAT(answer.notes, HasSubstr("CNI netd plugin"));
  EXPECT_THAT(answer.notes,
              HasSubstr("CNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, "
                        "0.4.0, 1.0.0, 1.1.0"));
}

TEST_F(ContractTest, AnswersErrorsInTheVersionOfTheConfiguration) {
  EXPECT_EQ(call(environment_of("CHECK", "c1"), with_version("0.4.0")).output["cniVersion"],
            "0.4.0");
  EXPECT_EQ(call(environment_of("ADD", "c1"), with_version("9.0.0")).output["cniVersion"], "1.1.0");
}

TEST_F(ContractTest, RunsInTheContainersNamespaceWhenToldThatThisIsMeant) {
  Environment environment = environment_of("ADD", "c1");
  constexpr const char* plugin_in_c1 = "ip netns exec c1 netd-cni";
  EXPECT_EQ(call(environment, good, plugin_in_c1).code(), 8);
  environment["CNI_NETNS_OVERRIDE"] = "true";
  const Answer answer = call(environment, good, plugin_in_c1);
  EXPECT_EQ(answer.status, 0) << answer.text;
}

TEST_F(ContractTest, SaysComeAgainWhenNetdIsNotThere) {
  const std::string elsewhere =
      with(R"("host":"unix:///run/nobody.sock","cni.dev/valid-attachments":[])");
  for (const char* command : {"ADD", "DEL", "GC"}) {
    const Answer answer = call(environment_of(command, "c1"), elsewhere);
    EXPECT_EQ(answer.code(), 11) << command << answer.text;
    EXPECT_THAT(answer.message(), HasSubstr("cannot connect to unix:///run/nobody.sock"));
  }
  EXPECT_EQ(call(environment_of("STATUS", "c1"), elsewhere).code(), 50);
}

TEST_F(ContractTest, FindsNetdByItsEnvironmentToo) {
  Environment environment = environment_of("STATUS", "c1");
  environment["NETD_HOST"] = "unix:///run/nobody.sock";
  EXPECT_EQ(call(environment, good).code(), 50);
  environment["NETD_HOST"] = "unix:///run/netd/netd.sock";
  const Answer answer = call(environment, good);
  EXPECT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.text, "");
}

TEST_F(ContractTest, SaysInStatusThatNoAddressIsLeft) {
  const json small = conf({{"cniVersion", "1.1.0"}, {"ipam", {{"subnet", "10.5.0.0/30"}}}});
  EXPECT_EQ(run("STATUS", "c1", small).status, 0);
  add("c1", small);
  const Answer full = run("STATUS", "c2", small);
  EXPECT_EQ(full.code(), 50);
  EXPECT_EQ(full.message(), "no addresses are left in the network podnet");
}

}  // namespace
}  // namespace cni
