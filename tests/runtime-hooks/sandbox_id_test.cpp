#include "runtime-hooks/sandbox_id.h"

#include <gtest/gtest.h>

namespace runtime_hooks {
namespace {

const std::string hex_id(64, 'a');

TEST(Sha256, IsWhatFips180Says) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256(std::string(1000, 'a')),
            "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3");
}

TEST(SandboxId, IsTheContainersWhereThatIsOne) {
  EXPECT_EQ(sandbox_id("oci", hex_id), hex_id);
}

TEST(SandboxId, IsADigestOfAnyOtherAndOfWhoAsks) {
  EXPECT_EQ(sandbox_id("oci", "web"), sha256("oci:web"));
  EXPECT_NE(sandbox_id("oci", "web"), sandbox_id("cni", "web"));
  EXPECT_TRUE(is_sandbox_id(sandbox_id("oci", "web")));
}

TEST(SandboxName, IsTheContainersIdAsFarAsANameMayHoldIt) {
  EXPECT_EQ(sandbox_name("web-1.a_b"), "web-1.a_b");
  EXPECT_EQ(sandbox_name("web+1"), "web_1");
  EXPECT_EQ(sandbox_name("-web"), "cweb");
  EXPECT_EQ(sandbox_name(hex_id), "aaaaaaaaaaaa");
  EXPECT_EQ(sandbox_name(std::string(300, 'x')).size(), 255u);
}

}  // namespace
}  // namespace runtime_hooks
