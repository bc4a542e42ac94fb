#include "netd/api/line_queue.h"

#include <gtest/gtest.h>

namespace netd::api {
namespace {

TEST(LineQueue, HandsOutWhatWasPushed) {
  LineQueue queue(10, "overflow\n");
  queue.push("a\n");
  queue.push("b\n");
  const auto taken = queue.take();
  EXPECT_EQ(taken.text, "a\nb\n");
  EXPECT_FALSE(taken.closed);
  EXPECT_EQ(queue.take().text, "");
}

TEST(LineQueue, DropsASlowReaderWithANote) {
  LineQueue queue(2, "overflow\n");
  for (int line = 0; line < 5; ++line)
    queue.push("x\n");
  const auto taken = queue.take();
  EXPECT_EQ(taken.text, "x\nx\noverflow\n");
  EXPECT_TRUE(taken.closed);
  queue.push("late\n");
  EXPECT_EQ(queue.take().text, "");
}

TEST(LineQueue, WakesItsReader) {
  LineQueue queue(2, "overflow\n");
  int woken = 0;
  queue.set_wake([&] { ++woken; });
  queue.push("a\n");
  queue.close();
  queue.close();
  EXPECT_EQ(woken, 2);
  EXPECT_TRUE(queue.take().closed);
}

TEST(LineQueue, KeepsItsSource) {
  auto source = std::make_shared<int>(1);
  const std::weak_ptr<int> weak = source;
  {
    LineQueue queue(2, "");
    queue.keep(std::move(source));
    EXPECT_FALSE(weak.expired());
  }
  EXPECT_TRUE(weak.expired());
}

}  // namespace
}  // namespace netd::api
