// Docker's own client against netd: Debian's docker.io (20.10) and a newer one where it is
// installed.
#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <ostream>
#include <vector>

#include "tests/e2e/end_to_end.h"

namespace e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

struct Client {
  const char* name;
  const char* path;
};

void PrintTo(const Client& client, std::ostream* out) {
  *out << client.path;
}

class DockerCli : public EndToEnd, public ::testing::WithParamInterface<Client> {
 protected:
  void SetUp() override {
    EndToEnd::SetUp();
    setenv("DOCKER_HOST", "unix:///run/netd/netd.sock", 1);
    setenv("DOCKER_CONFIG", "/run/docker-config", 1);
  }
  static std::string docker(const std::string& arguments) {
    return shell(std::string(GetParam().path) + " " + arguments);
  }
  static std::string refused(const std::string& arguments) {
    const Result result = attempt(std::string(GetParam().path) + " " + arguments);
    EXPECT_EQ(result.status, 1) << arguments << "\n" << result.output;
    return result.output;
  }
};

TEST_P(DockerCli, VersionNamesTheServer) {
  EXPECT_THAT(docker("version --format '{{.Server.APIVersion}}'"), MatchesRegex("1\\.[0-9]+\n"));
}

TEST_P(DockerCli, CreateAnswersWithTheId) {
  EXPECT_THAT(docker("network create lab"), MatchesRegex("[0-9a-f]{64}\n"));
}

TEST_P(DockerCli, LsListsTheBuiltInNetworks) {
  EXPECT_EQ(docker("network ls --format '{{.Name}} {{.Driver}} {{.Scope}}' | sort"),
            "bridge bridge local\nhost host local\nnone null local\n");
}

TEST_P(DockerCli, LsFilters) {
  docker("network create --label team=a lab");
  docker("network create yard");
  EXPECT_EQ(docker("network ls --filter name=la --format '{{.Name}}'"), "lab\n");
  EXPECT_EQ(docker("network ls --filter label=team=a --format '{{.Name}}'"), "lab\n");
  EXPECT_EQ(docker("network ls --filter type=custom --format '{{.Name}}' | sort"), "lab\nyard\n");
  EXPECT_EQ(docker("network ls --filter driver=null --format '{{.Name}}'"), "none\n");
  EXPECT_THAT(refused("network ls --filter colour=red"), HasSubstr("invalid filter 'colour'"));
}

TEST_P(DockerCli, InspectShowsWhatWasAsked) {
  docker(
      "network create --subnet 10.7.0.0/24 --gateway 10.7.0.254 --ip-range 10.7.0.128/25 --label "
      "a=b "
      "-o com.docker.network.driver.mtu=1400 lab");
  EXPECT_EQ(
      docker("network inspect lab --format '{{with index .IPAM.Config 0}}{{.Subnet}} {{.Gateway}} "
             "{{.IPRange}}{{end}}'"),
      "10.7.0.0/24 10.7.0.254 10.7.0.128/25\n");
  EXPECT_EQ(docker("network inspect lab --format '{{json .Labels}} {{json .Options}}'"),
            "{\"a\":\"b\"} {\"com.docker.network.driver.mtu\":\"1400\"}\n");
}

TEST_P(DockerCli, InspectTakesAnIdPrefix) {
  const std::string id = docker("network create lab");
  EXPECT_EQ(docker("network inspect " + id.substr(0, 8) + " --format '{{.Name}}'"), "lab\n");
}

TEST_P(DockerCli, WhatIsNotThereIsNamed) {
  EXPECT_THAT(refused("network inspect nowhere"), HasSubstr("nowhere"));
  EXPECT_THAT(refused("network rm nowhere"), HasSubstr("nowhere"));
}

TEST_P(DockerCli, ANameIsTakenOnce) {
  docker("network create lab");
  EXPECT_THAT(refused("network create lab"), HasSubstr("network with name lab already exists"));
}

TEST_P(DockerCli, AWrongSubnetIsExplained) {
  EXPECT_THAT(refused("network create --subnet 10.7.0.1/24 lab"),
              HasSubstr("it should be 10.7.0.0/24"));
}

TEST_P(DockerCli, ConnectAndDisconnect) {
  docker("network create --subnet 10.7.0.0/24 lab");
  shell("netctl sandbox create box");
  docker("network connect --ip 10.7.0.9 --alias www lab box");
  EXPECT_EQ(
      docker(
          "network inspect lab --format '{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}'"),
      "box 10.7.0.9/24\n");
  docker("network disconnect lab box");
  EXPECT_EQ(docker("network inspect lab --format '{{len .Containers}}'"), "0\n");
}

TEST_P(DockerCli, ContainersAreTheSandboxes) {
  docker("network create --subnet 10.7.0.0/24 lab");
  shell(
      "netctl sandbox create --network lab:ip=10.7.0.9 -p 8080:80 box && netctl sandbox create "
      "other");
  EXPECT_EQ(docker("ps --format '{{.Names}}' | sort"), "box\nother\n");
  EXPECT_EQ(docker("ps --filter network=lab --format '{{.Names}} {{.Networks}}'"), "box lab\n");
  EXPECT_EQ(docker("container inspect box --format '{{.NetworkSettings.Networks.lab.IPAddress}}'"),
            "10.7.0.9\n");
  EXPECT_THAT(docker("port box"), HasSubstr("80/tcp -> 0.0.0.0:8080"));
}

TEST_P(DockerCli, RmAnswersWithTheName) {
  docker("network create lab");
  EXPECT_EQ(docker("network rm lab"), "lab\n");
}

TEST_P(DockerCli, RmOfABuiltInNetworkIsRefused) {
  EXPECT_THAT(refused("network rm bridge"),
              HasSubstr("bridge is a pre-defined network and cannot be removed"));
}

TEST_P(DockerCli, RmOfANetworkInUseIsRefused) {
  docker("network create lab");
  shell("netctl sandbox create --network lab box");
  EXPECT_THAT(refused("network rm lab"), HasSubstr("has active endpoints"));
}

TEST_P(DockerCli, PruneRemovesWhatIsNotUsed) {
  docker("network create lab");
  docker("network create yard");
  shell("netctl sandbox create --network yard box");
  EXPECT_EQ(docker("network prune -f"), "Deleted Networks:\nlab\n\n");
  EXPECT_EQ(docker("network ls --filter type=custom --format '{{.Name}}'"), "yard\n");
}

TEST_P(DockerCli, EventsTellTheStory) {
  shell("netctl sandbox create box");
  docker("network create lab");
  docker("network connect lab box");
  docker("network disconnect lab box");
  docker("network rm lab");
  EXPECT_EQ(
      docker("events --since 0 --until $(date +%s.%N) --filter type=network --filter network=lab "
             "--format '{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.type}}'"),
      "create lab bridge\nconnect lab bridge\ndisconnect lab bridge\ndestroy lab bridge\n");
}

/// Debian's, which the tests install, and a newer one if the machine has it.
std::vector<Client> clients() {
  std::vector<Client> found{{"DockerIo", "/usr/bin/docker"}};
  const Client newer{"Newer", "/usr/local/bin/docker"};
  if (access(newer.path, X_OK) == 0) found.push_back(newer);
  return found;
}

INSTANTIATE_TEST_SUITE_P(Clients, DockerCli, ::testing::ValuesIn(clients()),
                         [](const auto& client) { return std::string(client.param.name); });

}  // namespace
}  // namespace e2e
