// What the leak checker leaves out here: gRPC's threads may end while it looks, and what OpenSSL
// keeps per thread (ERR_STATE) is in nobody's hands between its slot and free(3). netd's own code
// asks OpenSSL for nothing in these tests.

extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libcrypto.so\n";
}
