// The main program of a fuzz target in an ordinary build: runs every seed of a corpus directory and
// a fixed, reproducible set of mutations of each. A crash or a sanitizer's report fails the test
// and prints the input that did it.
#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
// sanitizer/common_interface_defs.h; absent in a build without sanitizers.
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr int mutations_per_seed = 2000;
constexpr std::size_t longest_input = 1 << 16;

std::vector<std::filesystem::path> files_of(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());  // the order of a directory is the file system's
  return files;
}

Bytes read(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(stream), {});
}

/// mt19937 with a modulus, not std::uniform_int_distribution: the same numbers with every library.
class Mutator {
 public:
  Bytes mutate(Bytes input, const Bytes& other) {
    for (std::size_t change = 0, changes = 1 + below(4); change < changes; ++change)
      change_once(input, other);
    if (input.size() > longest_input) input.resize(longest_input);
    return input;
  }
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : random_() % limit; }

 private:
  void change_once(Bytes& input, const Bytes& other) {
    const std::size_t at = below(input.size() + 1);
    const auto position = input.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(6)) {
      case 0:  // flip a bit
        if (at < input.size()) input[at] ^= static_cast<std::uint8_t>(1u << below(8));
        break;
      case 1:  // a telling byte: limits of lengths, separators of texts
        if (at < input.size()) input[at] = telling_bytes[below(std::size(telling_bytes))];
        break;
      case 2:
        input.insert(position, telling_bytes[below(std::size(telling_bytes))]);
        break;
      case 3:  // cut a piece out
        input.erase(position, position + static_cast<std::ptrdiff_t>(below(input.size() - at + 1)));
        break;
      case 4: {  // say a piece twice
        const Bytes piece(position,
                          position + static_cast<std::ptrdiff_t>(below(input.size() - at + 1)));
        input.insert(input.begin() + static_cast<std::ptrdiff_t>(below(input.size() + 1)),
                     piece.begin(), piece.end());
        break;
      }
      default:  // end as another seed does
        input.resize(at);
        input.insert(input.end(),
                     other.begin() + static_cast<std::ptrdiff_t>(below(other.size() + 1)),
                     other.end());
    }
  }

  static constexpr std::uint8_t telling_bytes[] = {
      0,   1,   0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff, '"',  '[',  ']',  '{', '}',
      ':', ',', '/',  '-',  '.',  '0',  '9',  '%',  '\\', '\n', '\r', ' ', 'a'};
  std::mt19937 random_{0x6e657464};
};

const Bytes* current_input = nullptr;

void print_current_input() {
  if (!current_input) return;
  std::fputs("\nthe input was (xxd -r -p makes a file of it): ", stderr);
  for (const std::uint8_t byte : *current_input)
    std::fprintf(stderr, "%02x", byte);
  std::fputc('\n', stderr);
}

void report_input_on_death() {
  if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(print_current_input);
  std::signal(SIGABRT, [](int) {
    print_current_input();
    std::_Exit(1);
  });
}

void run(const Bytes& input) {
  // An exact copy on the heap, so that the address sanitizer sees one byte too far.
  const Bytes exact(input.begin(), input.end());
  current_input = &exact;
  try {
    LLVMFuzzerTestOneInput(exact.data(), exact.size());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "an exception left the target: %s\n", error.what());
    std::abort();
  }
  current_input = nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
    return 2;
  }
  std::vector<Bytes> seeds;
  for (const auto& file : files_of(argv[1]))
    seeds.push_back(read(file));
  if (seeds.empty()) {
    std::fprintf(stderr, "no seeds in %s\n", argv[1]);
    return 1;
  }
  report_input_on_death();
  Mutator mutator;
  run({});
  for (const Bytes& seed : seeds) {
    run(seed);
    for (int i = 0; i < mutations_per_seed; ++i)
      run(mutator.mutate(seed, seeds[mutator.below(seeds.size())]));
  }
  std::printf("%zu seeds, %d mutations each\n", seeds.size(), mutations_per_seed);
}
