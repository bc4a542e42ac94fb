// Sandboxes in namespaces of processes and paths that go.
#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/owner_watch.h"
#include "tests/controller/controller_fixture.h"

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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
