#include "netd/curve_keys.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <memory>
#include <stdexcept>

namespace netd {

sandbox::WireguardKey make_private_key() {
  sandbox::WireguardKey key;
  if (RAND_priv_bytes(key.bytes.data(), static_cast<int>(key.bytes.size())) != 1)
    throw std::runtime_error("no random numbers for a key");
  // As the kernel and wg(8) write it (RFC 7748 5): what is read back is what was given.
  key.bytes.front() &= 248;
  key.bytes.back() = static_cast<std::uint8_t>((key.bytes.back() & 127) | 64);
  return key;
}

sandbox::WireguardKey public_key_of(const sandbox::WireguardKey& private_key) {
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> pair(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, private_key.bytes.data(),
                                   private_key.bytes.size()),
      EVP_PKEY_free);
  sandbox::WireguardKey key;
  std::size_t size = key.bytes.size();
  if (!pair || EVP_PKEY_get_raw_public_key(pair.get(), key.bytes.data(), &size) != 1 ||
      size != key.bytes.size())
    throw std::runtime_error("no public key can be made of the private one");
  return key;
}

}  // namespace netd
