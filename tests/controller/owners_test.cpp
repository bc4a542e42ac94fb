// Sandboxes in namespaces of processes and paths that go.
#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "sandbox/netns.h"
#include "sandbox/owner_watch.h"
#include "tests/controller/controller_fixture.h"

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class BlindKernel : public tests::FaultyKernel {
 public:
  using FaultyKernel::FaultyKernel;
  bool is_namespace(const std::string& path, const sandbox::Netns& netns) override {
    if (is_blind) throw std::system_error(EMFILE, std::system_category(), "look at " + path);
    return FaultyKernel::is_namespace(path, netns);
  }
  bool is_blind = false;
};

class OwnersTest : public tests::ControllerTest {
 protected:
  void SetUp() override {
    ControllerTest::SetUp();
    controller_->use_owner_watch(owners_);
    create_network("shop");
  }
  void TearDown() override {
    if (process_ > 0) end_process();
    ControllerTest::TearDown();
  }
  /// A process whose namespace the fake kernel knows.
  int start_process() {
    process_ = fork();
    if (process_ == 0)
      for (;;)
        pause();
    kernel_.add_namespace("/proc/" + std::to_string(process_) + "/ns/net");
    return process_;
  }
  void end_process() {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
    process_ = -1;
  }
  /// What the watch leads to, within ten seconds.
  std::vector<std::string> ended() {
    for (int turn = 0; turn < 100; ++turn) {
      pollfd ready{owners_.fd(), POLLIN, 0};
      if (poll(&ready, 1, 10'000) <= 0) break;
      if (auto ids = controller_->ended_sandboxes(); !ids.empty()) return ids;
    }
    return {"nothing came"};
  }
  std::string id_of(const std::string& name) const {
    return controller_->sandbox(name).sandbox->sandbox.id;
  }

  sandbox::OwnerWatch owners_;
  pid_t process_ = -1;
};

TEST_F(OwnersTest, ASandboxOfAProcessEndsWithIt) {
  create_sandbox("web", {"shop"}, {.pid = start_process()});
  EXPECT_THAT(controller_->ended_sandboxes(), IsEmpty());
  end_process();
  EXPECT_THAT(ended(), ElementsAre(id_of("web")));
  controller_->remove_sandbox("web");
  EXPECT_TRUE(controller_->sandboxes().empty());
}

TEST_F(OwnersTest, APathOfAProcessIsThatProcess) {
  const std::string path = "/proc/" + std::to_string(start_process()) + "/ns/net";
  create_sandbox("web", {"shop"}, {.netns_path = path});
  EXPECT_EQ(controller_->sandbox("web").sandbox->process->pid, process_);
  end_process();
  EXPECT_THAT(ended(), ElementsAre(id_of("web")));
}

TEST_F(OwnersTest, ThoseThatShareTheNamespaceGoFirst) {
  create_sandbox("web", {"shop"}, {.pid = start_process()});
  create_sandbox("sidecar", {}, {.shared_with = "web"});
  end_process();
  EXPECT_THAT(ended(), ElementsAre(id_of("sidecar"), id_of("web")));
}

TEST_F(OwnersTest, WhoLivesInItIsItsOwnerFromThenOn) {
  create_sandbox("web", {"shop"}, {.pid = start_process()});
  const std::string pin = controller_->sandbox("web").sandbox->sandbox.netns;
  sandbox::pin_existing("/proc/self/ns/net", pin);  // we do
  end_process();
  deadly_.calls = 0;  // nothing can be stored
  EXPECT_THAT(controller_->ended_sandboxes(), IsEmpty());
  EXPECT_EQ(controller_->sandbox("web").sandbox->process->pid, getpid());
  sandbox::unpin(pin);
}

TEST_F(OwnersTest, OneThatCannotBeLookedAtIsToldAgain) {
  BlindKernel blind(kernel_);
  controller_ =
      std::make_unique<netd::Controller>(config_, *store_, blind, drivers_, listeners_, events_);
  controller_->start("boot:1");
  controller_->use_owner_watch(owners_);
  kernel_.add_namespace("/run/netns/web");
  create_sandbox("web", {"shop"}, {.netns_path = "/run/netns/web"});
  kernel_.remove_namespace("/run/netns/web");
  blind.is_blind = true;
  pollfd ready{owners_.fd(), POLLIN, 0};
  ASSERT_EQ(poll(&ready, 1, 10'000), 1);
  EXPECT_THAT(controller_->ended_sandboxes(), IsEmpty());
  blind.is_blind = false;
  EXPECT_THAT(ended(), ElementsAre(id_of("web")));
  controller_.reset();
}

TEST_F(OwnersTest, OneThatSharesEndsWithItsOwnProcess) {
  create_sandbox("web", {"shop"});
  create_sandbox("sidecar", {}, {.pid = start_process(), .shared_with = "web"});
  EXPECT_EQ(controller_->sandbox("sidecar").sandbox->process->pid, process_);
  EXPECT_EQ(controller_->sandbox("sidecar").sandbox->netns_source,
            controller_->sandbox("web").sandbox->sandbox.netns);
  // Also where others live in the namespace: it is not its own.
  sandbox::pin_existing("/proc/self/ns/net",
                        controller_->sandbox("sidecar").sandbox->sandbox.netns);
  end_process();
  EXPECT_THAT(ended(), ElementsAre(id_of("sidecar")));
  sandbox::unpin(controller_->sandbox("sidecar").sandbox->sandbox.netns);
}

TEST_F(OwnersTest, OneThatSharesNeedsAProcessThatIsThere) {
  create_sandbox("web", {"shop"});
  const int process = start_process();
  end_process();
  EXPECT_THAT(
      refusal([&] { create_sandbox("sidecar", {}, {.pid = process, .shared_with = "web"}); }),
      HasSubstr("there is no process " + std::to_string(process)));
}

TEST_F(OwnersTest, OneThatSharesIsToldOnceWhenAllEnd) {
  const int process = start_process();
  create_sandbox("web", {"shop"}, {.pid = process});
  create_sandbox("sidecar", {}, {.pid = process, .shared_with = "web"});
  end_process();
  EXPECT_THAT(ended(), ElementsAre(id_of("sidecar"), id_of("web")));
}

TEST_F(OwnersTest, TheNextOfThatNameDoesNotWaitForThoseThatShareItsNamespace) {
  const int process = start_process();
  create_sandbox("web", {"shop"}, {.pid = process});
  create_sandbox("sidecar", {}, {.pid = process, .shared_with = "web"});
  end_process();
  create_sandbox("web", {"shop"}, {.pid = start_process()});
  EXPECT_THAT(refusal([&] { controller_->sandbox("sidecar"); }), HasSubstr("No such container"));
  create_sandbox("sidecar", {}, {.pid = process_, .shared_with = "web"});
  end_process();
  create_sandbox("sidecar", {}, {.pid = start_process(), .shared_with = "web"});
}

TEST_F(OwnersTest, ItIsToldAgainUntilItIsRemoved) {
  create_sandbox("web", {"shop"}, {.pid = start_process()});
  const std::string id = id_of("web");
  end_process();
  EXPECT_THAT(ended(), ElementsAre(id));
  controller_->remind_of_end(id);
  EXPECT_THAT(ended(), ElementsAre(id));
  controller_->remove_sandbox("web");
  controller_->remind_of_end(id);
  pollfd ready{owners_.fd(), POLLIN, 0};
  EXPECT_EQ(poll(&ready, 1, 0), 0);
}

TEST_F(OwnersTest, ARemovedSandboxIsNotWatched) {
  create_sandbox("web", {"shop"}, {.pid = start_process()});
  controller_->remove_sandbox("web");
  end_process();
  pollfd ready{owners_.fd(), POLLIN, 0};
  EXPECT_EQ(poll(&ready, 1, 0), 0);
}

TEST_F(OwnersTest, TheNextOfThatNameDoesNotWaitForIt) {
  create_sandbox("web", {"shop"}, {.pid = start_process()});
  end_process();
  const std::string before = id_of("web");
  create_sandbox("web", {"shop"}, {.pid = start_process()});
  EXPECT_NE(id_of("web"), before);
  EXPECT_THAT(refusal([&] { create_sandbox("web", {"shop"}); }), HasSubstr("already in use"));
}

TEST_F(OwnersTest, SandboxesOfNetdsOwnMakeNoRoom) {
  create_sandbox("web", {"shop"});
  EXPECT_THAT(refusal([&] { create_sandbox("web", {"shop"}, {.pid = start_process()}); }),
              HasSubstr("already in use"));
}

}  // namespace
