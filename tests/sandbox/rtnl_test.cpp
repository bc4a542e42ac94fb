#include "sandbox/rtnl.h"

#include <linux/rtnetlink.h>
#include <sys/resource.h>

#include <list>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "sandbox/links.h"
#include "sandbox/netns.h"
#include "sandbox/netns_cache.h"
#include "tests/support/namespace_test.h"

namespace {

using namespace sandbox;

class Rtnl : public tests::NamespaceTest {};

TEST_F(Rtnl, CarriesTheKernelsOwnWords) {
  RtnlSocket socket;
  RtnlMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.append(ifinfomsg{});
  message.nest(IFLA_LINKINFO, [&] { message.put(IFLA_INFO_KIND, std::string("teapot")); });
  try {
    socket.request(message, "create teapot t1");
    FAIL() << "the kernel knows teapots";
  } catch (const std::system_error& error) {
    EXPECT_STREQ(error.what(), "create teapot t1: Unknown device type: Operation not supported");
  }
}

TEST_F(Rtnl, WorksOnAfterAFailure) {
  RtnlSocket socket;
  EXPECT_THROW(set_link(socket, SetLink{.index = 99, .up = true}), std::system_error);
  EXPECT_EQ(find_link(socket, std::string("lo"))->facts.index, 1u);
}

TEST_F(Rtnl, RefusesAMessageBeyondAPage) {
  RtnlMessage message(RTM_NEWLINK);
  const std::vector<std::uint8_t> large(60'000);
  EXPECT_THROW(message.put(IFLA_IFALIAS, large), std::system_error);
}

TEST_F(Rtnl, OpensMoreSocketsThanLibnlHasPortNumbers) {
  const rlimit limit{.rlim_cur = 4096, .rlim_max = 4096};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  std::list<RtnlSocket> sockets(1100);
  EXPECT_TRUE(find_link(sockets.back(), std::string("lo")));
}

TEST_F(Rtnl, RepeatsADumpThatAChangeInterrupted) {
  shell("for i in $(seq 300); do echo link add d$i type bridge; done | ip -batch -");
  RtnlSocket socket;
  std::jthread changes([] {
    RtnlSocket other;
    for (int i = 0; i < 100; ++i)
      set_link(other, SetLink{.index = 1, .alias = std::to_string(i)});
  });
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(list_links(socket).size(), 301u);
}

TEST_F(Rtnl, TheCacheForgetsTheNamespaceUsedLongestAgo) {
  for (const char* path : {"/run/a", "/run/b", "/run/c"})
    pin_new(path);
  NetnsCache cache(2);
  cache.get("/run/a");
  cache.get("/run/b");
  cache.get("/run/a");
  cache.get("/run/c");
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(cache.get("/run/a").path, "/run/a");
}

TEST_F(Rtnl, TheCacheOpensEachNamespaceOnce) {
  pin_new("/run/a");
  NetnsCache cache;
  const int fd = cache.get("/run/a").fd.get();
  EXPECT_EQ(cache.get("/run/a").fd.get(), fd);
  unpin("/run/a");
  EXPECT_EQ(cache.find("/run/a"), nullptr);
  EXPECT_EQ(cache.size(), 0u);
}

}  // namespace
