#include "runtime-hooks/oci/container.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runtime_hooks::oci {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

/// A bundle directory "/b" whose config.json has this text.
ReadFile bundle(const std::string& config) {
  return [config](const std::string& path) -> std::optional<std::string> {
    if (path != "/b/config.json") return std::nullopt;
    return config;
  };
}

ReadFile no_file() {
  return [](const std::string&) { return std::nullopt; };
}

std::string problem(std::string_view state, const ReadFile& files) {
  try {
    read_container(state, files);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "none";
}

TEST(Container, IsReadFromRuncsState) {
  const Container container = read_container(
      R"({"ociVersion":"1.0.2-dev","id":"c1","status":"creating","pid":42,"bundle":"/b",
          "annotations":{"io.netd.networks":"shop"}})",
      bundle(R"({"root":{"path":"rootfs","readonly":true},"hostname":"www","domainname":"d.test",
                 "mounts":[{"destination":"/etc/hosts","source":"/b/netd/hosts"},{"destination":"/x"}],
                 "linux":{"namespaces":[{"type":"pid"},{"type":"network","path":"/run/netns/x"}]}})"));
  EXPECT_EQ(container.id, "c1");
  EXPECT_EQ(container.pid, 42);
  EXPECT_EQ(container.rootfs, "/b/rootfs");
  EXPECT_TRUE(container.is_read_only);
  EXPECT_THAT(container.mounts,
              UnorderedElementsAre(Pair("/etc/hosts", "/b/netd/hosts"), Pair("/x", "")));
  EXPECT_EQ(container.hostname, "www");
  EXPECT_EQ(container.domainname, "d.test");
  EXPECT_EQ(container.netns_path, "/run/netns/x");
  EXPECT_EQ(*container.annotation("io.netd.networks"), "shop");
  EXPECT_EQ(container.annotation("io.netd.publish"), nullptr);
}

TEST(Container, IsReadFromCrunsState) {
  const Container container = read_container(R"({
    "ociVersion" : "1.0",
    "id" : "c1",
    "pid" : 42,
    "root" : "/somewhere/else",
    "bundle" : "/b",
    "status" : "created"
})",
                                             bundle(R"({"root":{"path":"/images/busybox"}})"));
  EXPECT_EQ(container.pid, 42);
  EXPECT_EQ(container.rootfs, "/images/busybox");
  EXPECT_FALSE(container.is_read_only);
  EXPECT_THAT(container.netns_path, IsEmpty());
}

TEST(Container, TakesAnnotationsOfBothAndTheStatesFirst) {
  const Container container =
      read_container(R"({"id":"c1","bundle":"/b","annotations":{"a":"state","b":"state"}})",
                     bundle(R"({"annotations":{"b":"file","c":"file"}})"));
  EXPECT_THAT(container.annotations,
              UnorderedElementsAre(Pair("a", "state"), Pair("b", "state"), Pair("c", "file")));
}

TEST(Container, OfAStoppedOneNeedsItsIdOnly) {
  EXPECT_EQ(read_container(R"({"id":"c1"})", no_file()).id, "c1");
  EXPECT_EQ(read_container(R"({"id":"c1","bundle":"/gone","annotations":null})", no_file()).pid, 0);
}

TEST(Container, SaysWhatIsWrongWithWhich) {
  EXPECT_THAT(problem("", no_file()), HasSubstr("state on stdin is no JSON object"));
  EXPECT_THAT(problem("[]", no_file()), HasSubstr("state on stdin is no JSON object"));
  EXPECT_THAT(problem(R"({"pid":4})", no_file()), HasSubstr("has no id"));
  EXPECT_THAT(problem(R"({"id":"c1","bundle":"/b"})", bundle("{")),
              HasSubstr("/b/config.json is no JSON object"));
}

TEST(Container, LeavesOutWhatHasAnotherType) {
  const Container container = read_container(
      R"({"id":"c1","bundle":"/b","pid":"42","annotations":{"a":1}})",
      bundle(
          R"({"hostname":5,"root":[],"linux":{"namespaces":{"type":"network"}},"annotations":[]})"));
  EXPECT_EQ(container.pid, 0);
  EXPECT_THAT(container.annotations, IsEmpty());
  EXPECT_THAT(container.rootfs, IsEmpty());
}

}  // namespace
}  // namespace runtime_hooks::oci
