#include "netd/ctl/oci_bundle.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

namespace netd::ctl {
namespace {

using nlohmann::ordered_json;

const HookEntry entry{
    .path = "/usr/libexec/netd/netd-hook", .host = "", .files_directory = "/b/netd"};

ordered_json minimal() {
  return ordered_json::parse(
      R"({"ociVersion":"1.0.2","linux":{"namespaces":[{"type":"network"}]}})");
}

ordered_json added(ordered_json config, const HookEntry& hook = entry) {
  add_hooks(config, hook);
  return config;
}

TEST(OciBundle, GetsHooksAndFiles) {
  EXPECT_EQ(added(minimal()), ordered_json::parse(R"({
    "ociVersion":"1.0.2","linux":{"namespaces":[{"type":"network"}]},
    "hooks":{
      "createRuntime":[{"path":"/usr/libexec/netd/netd-hook","args":["netd-hook","createRuntime"],
                        "env":["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],"timeout":30}],
      "poststop":[{"path":"/usr/libexec/netd/netd-hook","args":["netd-hook","poststop"],
                   "env":["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],"timeout":30}]},
    "mounts":[
      {"destination":"/etc/resolv.conf","type":"bind","source":"/b/netd/resolv.conf",
       "options":["rbind","rprivate"]},
      {"destination":"/etc/hosts","type":"bind","source":"/b/netd/hosts",
       "options":["rbind","rprivate"]},
      {"destination":"/etc/hostname","type":"bind","source":"/b/netd/hostname",
       "options":["rbind","rprivate"]}]})"));
}

TEST(OciBundle, AddedTwiceIsAddedOnce) {
  EXPECT_EQ(added(added(minimal())), added(minimal()));
}

TEST(OciBundle, AnOtherPlaceReplacesTheFirst) {
  HookEntry other = entry;
  other.path = "/opt/netd/libexec/netd-hook";
  other.host = "unix:///run/other.sock";
  const ordered_json config = added(added(minimal()), other);
  ASSERT_EQ(config["hooks"]["createRuntime"].size(), 1u);
  EXPECT_EQ(config["hooks"]["createRuntime"][0]["path"], "/opt/netd/libexec/netd-hook");
  EXPECT_EQ(config["hooks"]["createRuntime"][0]["args"],
            ordered_json::parse(R"(["netd-hook","-H","unix:///run/other.sock","createRuntime"])"));
}

TEST(OciBundle, KeepsWhatIsOthers) {
  const auto original = ordered_json::parse(R"({
    "zebra":1.50,"ociVersion":"1.0.2","annotations":{"b":"1","a":"2"},
    "linux":{"namespaces":[{"type":"network","path":"/run/netns/x"}]},
    "hooks":{"poststart":[{"path":"/bin/true"}],"createRuntime":[{"path":"/bin/other-hook"}]},
    "mounts":[{"destination":"/proc"},{"destination":"/etc/hosts","source":"/mine"}]})");
  ordered_json config = added(original);
  EXPECT_EQ(config["hooks"]["createRuntime"][0]["path"], "/bin/other-hook");
  EXPECT_EQ(config["mounts"].size(), 4u) << "the user's hosts file stays alone";
  remove_hooks(config, entry.files_directory);
  EXPECT_EQ(config.dump(), original.dump());
}

TEST(OciBundle, RemovingLeavesNoEmptyShells) {
  ordered_json config = added(minimal());
  remove_hooks(config, entry.files_directory);
  EXPECT_EQ(config, minimal());
  remove_hooks(config, entry.files_directory);
  EXPECT_EQ(config, minimal());
}

TEST(OciBundle, IsRefusedWhenItIsNoneOrHasNoNetworkOfItsOwn) {
  EXPECT_THROW(added(ordered_json::parse("[]")), std::invalid_argument);
  EXPECT_THROW(added(ordered_json::parse(R"({"ociVersion":"1"})")), std::invalid_argument);
  EXPECT_THROW(added(ordered_json::parse(R"({"ociVersion":"1","linux":{"namespaces":[]}})")),
               std::invalid_argument);
  EXPECT_THROW(added(ordered_json::parse(R"({"ociVersion":"1","mounts":{}})")),
               std::invalid_argument);
}

TEST(OciBundle, KeepsItsIndentation) {
  const auto json = ordered_json::parse(R"({"a":{"b":1}})");
  EXPECT_EQ(format_like(json, "{\n\t\"a\": 1\n}"), "{\n\t\"a\": {\n\t\t\"b\": 1\n\t}\n}");
  EXPECT_EQ(format_like(json, "{\n    \"a\": 1\n}\n"),
            "{\n    \"a\": {\n        \"b\": 1\n    }\n}\n");
  EXPECT_EQ(format_like(json, "{\"a\":1}"), R"({"a":{"b":1}})");
}

}  // namespace
}  // namespace netd::ctl
