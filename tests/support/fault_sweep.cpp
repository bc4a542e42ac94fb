#include "tests/support/fault_sweep.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <system_error>

#include "sandbox/transition.h"

namespace tests {
namespace {

using sandbox::Plan;

/// Far more steps than any plan has.
constexpr std::size_t most_steps = 10'000;

void expect_transition(sandbox::Kernel& kernel, const Plan& from, const Plan& to) {
  for (const std::string& failure : sandbox::transition(kernel, from, to))
    ADD_FAILURE() << "revert: " << failure;
}

/// True when the armed step failed; false when the transition has fewer steps and succeeded.
bool fails(sandbox::Kernel& kernel, const Plan& from, const Plan& to) {
  try {
    expect_transition(kernel, from, to);
    return false;
  } catch (const sandbox::RollbackFailed& error) {
    ADD_FAILURE() << error.what();
    return true;
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code().value(), EIO) << error.what();
    return true;
  }
}

}  // namespace

void FaultyKernel::apply(const sandbox::Step& step) {
  if (fail_in_ != 0 && --fail_in_ == 0)
    throw std::system_error(EIO, std::system_category(), to_text(step));
  kernel_.apply(step);
}

std::size_t sweep(sandbox::Kernel& kernel, const Plan& from, const Plan& to,
                  const std::function<void(std::size_t)>& fail_at,
                  const std::function<std::string()>& state) {
  const auto drained_state = [&] {
    kernel.drain();
    return state();
  };
  const std::string nothing = drained_state();
  expect_transition(kernel, {}, from);
  const std::string before = drained_state();

  std::size_t failed = 0;
  for (; failed < most_steps; ++failed) {
    fail_at(failed + 1);
    if (!fails(kernel, from, to)) break;
    EXPECT_EQ(drained_state(), before) << "after step " << failed + 1 << " failed";
  }
  fail_at(0);
  EXPECT_LT(failed, most_steps);

  expect_transition(kernel, to, from);
  EXPECT_EQ(drained_state(), before) << "after going there and back";
  expect_transition(kernel, from, {});
  EXPECT_EQ(drained_state(), nothing) << "after removing everything";
  return failed;
}

std::size_t sweep(FakeKernel& kernel, const Plan& from, const Plan& to) {
  return sweep(
      kernel, from, to, [&](std::size_t nth) { kernel.fail_at(nth); },
      [&] { return kernel.state(); });
}

}  // namespace tests
