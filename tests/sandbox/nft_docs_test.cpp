// docs/nftables.md shows what the kernel really holds: its listings are compared with a live run of
// the scenario below. After a change of the rules: NETD_UPDATE_DOCS=1 ctest -R NftDocs
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "sandbox/nft.h"
#include "tests/support/namespace_test.h"

namespace {

using sandbox::Element;
using sandbox::LinkIndex;
using sandbox::PortNumber;
using sandbox::Protocol;
using testing::HasSubstr;

constexpr const char* document_path = NETD_SOURCE_DIR "/docs/nftables.md";

ipam::Address address(const char* text) {
  return *ipam::Address::parse(text);
}

/// Networks shop (IPv4, IPv6), vault (internal) and quiet (ICC off, no masquerade); web publishes
/// 8080:80 on all addresses and 192.0.2.1:8443:443. An overlay network, and a cluster with two
/// others.
std::vector<Element> scenario() {
  const LinkIndex shop{101};
  const LinkIndex vault{102};
  const LinkIndex quiet{103};
  const LinkIndex overlay{104};
  const auto web4 = address("10.1.0.2");
  const auto web6 = address("fd00:1::2");
  return {
      {"nets", {shop}, {}},
      {"nets", {vault}, {}},
      {"nets", {quiet}, {}},
      {"samebr", {shop, shop}, {}},
      {"samebr", {vault, vault}, {}},
      {"icc_off", {quiet, quiet}, {}},
      {"internal", {vault}, {}},
      {"masq", {shop}, {}},
      {"masq6", {shop}, {}},
      {"pub4", {Protocol::tcp, PortNumber{8080}}, {web4, PortNumber{80}}},
      {"pub6", {Protocol::tcp, PortNumber{8080}}, {web6, PortNumber{80}}},
      {"pub4a", {address("192.0.2.1"), Protocol::tcp, PortNumber{8443}}, {web4, PortNumber{443}}},
      {"hair4", {web4, web4}, {}},
      {"hair6", {web6, web6}, {}},
      {"nets", {overlay}, {}},
      {"samebr", {overlay, overlay}, {}},
      {"internal", {overlay}, {}},
      {"overlays", {overlay}, {}},
      {"tunnels", {PortNumber{4789}}, {}},
      {"hosts4", {address("198.51.100.2")}, {}},
      {"hosts6", {address("2001:db8::2")}, {}},
      {"enc_ports", {PortNumber{4790}}, {}},
      {"enc_links", {LinkIndex{105}}, {}},
  };
}

std::string read_document() {
  std::ifstream file(document_path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// The document with `listing` in the place marked by `<!-- live: NAME -->`.
std::string with_listing(const std::string& document, const std::string& name,
                         const std::string& listing) {
  const std::string begin = "<!-- live: " + name + " -->\n";
  const std::string end = "<!-- end: " + name + " -->\n";
  const std::size_t from = document.find(begin);
  const std::size_t to = document.find(end);
  if (from == std::string::npos || to == std::string::npos || to < from)
    throw std::runtime_error("docs/nftables.md has no place for the listing " + name);
  return document.substr(0, from + begin.size()) + "```\n" + listing + "```\n" +
         document.substr(to);
}

class NftDocs : public tests::NamespaceTest {};

TEST_F(NftDocs, ShowWhatTheKernelHolds) {
  shell(R"(ip link add br-shop index 101 type bridge
           ip link add br-vault index 102 type bridge
           ip link add br-quiet index 103 type bridge
           ip link add nb001000 index 104 type bridge
           ip link add nw1c30a7d0f2 index 105 type bridge)");
  sandbox::Nft nft;
  nft.replace(scenario());
  const std::string table = shell("nft list table inet netd");
  sandbox::redirect_dns(30053);
  const std::string document = read_document();
  const std::string live = with_listing(with_listing(document, "inet netd", table), "ip netd-dns",
                                        shell("nft list table ip netd-dns"));
  if (std::getenv("NETD_UPDATE_DOCS") != nullptr) std::ofstream(document_path) << live;
  EXPECT_EQ(read_document(), live) << "run: NETD_UPDATE_DOCS=1 ctest -R NftDocs";
}

TEST_F(NftDocs, ExplainEveryChainSetAndMap) {
  sandbox::Nft nft;
  nft.replace({});
  const std::string document = read_document();
  std::istringstream table(shell("nft list table inet netd"));
  for (std::string line; std::getline(table, line);) {
    std::istringstream words(line);
    std::string kind, name, brace;
    words >> kind >> name >> brace;
    if (brace != "{" || kind == "table") continue;
    EXPECT_THAT(document, HasSubstr("| `" + name + "` |")) << "the " << kind;
  }
}

TEST_F(NftDocs, TheExampleOfAUsersOwnTableLoads) {
  const std::string document = read_document();
  const std::size_t begin = document.find("table inet netd-user {");
  ASSERT_NE(begin, std::string::npos);
  const std::string example = document.substr(begin, document.find("```", begin) - begin);
  shell("nft -f - <<'END'\n" + example + "END");
  EXPECT_THAT(shell("nft list table inet netd-user"), HasSubstr("hook forward"));
}

}  // namespace
