#include "netd/api/pattern.h"

#include <utility>

namespace netd::api {
namespace {

using Bytes = std::bitset<256>;

/// The parsed pattern: a tree whose depth is bounded by Pattern::most_depth and its length.
struct Node {
  enum class Kind { empty, byte, begin, end, sequence, choice, repeat } kind = Kind::empty;
  Bytes bytes;
  std::vector<Node> children;
  int low = 0;
  int high = 0;  // repeat: -1 = no limit
};

struct Malformed {};

void set_range(Bytes& bytes, unsigned char low, unsigned char high) {
  for (unsigned byte = low; byte <= high; ++byte)
    bytes.set(byte);
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Node parse() {
    Node node = choice(0);
    if (!text_.empty()) throw Malformed{};
    return node;
  }

 private:
  bool take(char character) {
    if (!text_.starts_with(character)) return false;
    text_.remove_prefix(1);
    return true;
  }

  char next() {
    if (text_.empty()) throw Malformed{};
    const char character = text_[0];
    text_.remove_prefix(1);
    return character;
  }

  Node choice(int depth) {
    if (depth > Pattern::most_depth) throw Malformed{};
    Node node{.kind = Node::Kind::choice};
    do
      node.children.push_back(sequence(depth));
    while (take('|'));
    return node;
  }

  Node sequence(int depth) {
    Node node{.kind = Node::Kind::sequence};
    while (!text_.empty() && text_[0] != '|' && text_[0] != ')')
      node.children.push_back(repetition(atom(depth)));
    return node;
  }

  Node repetition(Node node) {
    bool repeated = false;
    for (;;) {
      int low = 0;
      int high = -1;
      if (take('+'))
        low = 1;
      else if (take('?'))
        high = 1;
      else if (!take('*') && !counts(low, high))
        return node;
      if (repeated) throw Malformed{};  // "a**", as in Go
      repeated = true;
      take('?');  // lazy: the same, where only "found or not" matters
      Node outer{.kind = Node::Kind::repeat, .low = low, .high = high};
      outer.children.push_back(std::move(node));
      node = std::move(outer);
    }
  }

  /// "{2}", "{2,}", "{2,5}"; anything else after "{" is a literal brace, as in Go.
  bool counts(int& low, int& high) {
    std::string_view rest = text_;
    if (!rest.starts_with('{')) return false;
    rest.remove_prefix(1);
    const auto first = number(rest);
    if (!first) return false;
    std::optional<int> second = first;
    if (rest.starts_with(',')) {
      rest.remove_prefix(1);
      second = rest.starts_with('}') ? -1 : number(rest);
    }
    if (!second || !rest.starts_with('}')) return false;
    if (*second >= 0 && *second < *first) throw Malformed{};
    text_ = rest.substr(1);
    low = *first;
    high = *second;
    return true;
  }

  static std::optional<int> number(std::string_view& rest) {
    int value = 0;
    std::size_t digits = 0;
    for (; digits < rest.size() && rest[digits] >= '0' && rest[digits] <= '9'; ++digits) {
      value = value * 10 + (rest[digits] - '0');
      if (value > 1000) throw Malformed{};
    }
    if (digits == 0) return std::nullopt;
    rest.remove_prefix(digits);
    return value;
  }

  Node atom(int depth) {
    const char character = next();
    Node node{.kind = Node::Kind::byte};
    switch (character) {
      case '*':
      case '+':
      case '?':
        throw Malformed{};
      case '^':
        node.kind = Node::Kind::begin;
        break;
      case '$':
        node.kind = Node::Kind::end;
        break;
      case '(':
        return group(depth);
      case '[':
        node.bytes = bracket();
        break;
      case '.':
        node.bytes.set().reset('\n');
        break;
      case '\\':
        return escaped_atom();
      default:
        node.bytes.set(static_cast<unsigned char>(character));
    }
    return node;
  }

  Node group(int depth) {
    if (take('?') && !take(':')) throw Malformed{};
    Node node = choice(depth + 1);
    if (!take(')')) throw Malformed{};
    return node;
  }

  Node escaped_atom() {
    if (take('A')) return {.kind = Node::Kind::begin};
    if (take('z')) return {.kind = Node::Kind::end};
    return {.kind = Node::Kind::byte, .bytes = escape()};
  }

  Bytes escape() {
    const char character = next();
    Bytes bytes;
    switch (character) {
      case 'd':
      case 'D':
        set_range(bytes, '0', '9');
        break;
      case 'w':
      case 'W':
        set_range(bytes, '0', '9');
        set_range(bytes, 'a', 'z');
        set_range(bytes, 'A', 'Z');
        bytes.set('_');
        break;
      case 's':
      case 'S':
        for (const char space : {' ', '\t', '\n', '\r', '\f'})
          bytes.set(static_cast<unsigned char>(space));
        break;
      case 'n':
        bytes.set('\n');
        break;
      case 't':
        bytes.set('\t');
        break;
      default:
        // An unknown letter or a back reference: refused, not guessed.
        if ((character >= '0' && character <= '9') || (character >= 'a' && character <= 'z') ||
            (character >= 'A' && character <= 'Z'))
          throw Malformed{};
        bytes.set(static_cast<unsigned char>(character));
    }
    if (character == 'D' || character == 'W' || character == 'S') bytes.flip();
    return bytes;
  }

  Bytes bracket() {
    Bytes bytes;
    const bool negated = take('^');
    bool first = true;
    while (first || !take(']')) {
      if (text_.starts_with("[:")) throw Malformed{};
      const char low = next();
      first = false;
      if (low == '\\') {
        bytes |= escape();
        continue;
      }
      char high = low;
      if (text_.size() >= 2 && text_[0] == '-' && text_[1] != ']') {
        text_.remove_prefix(1);
        high = next();
        if (high == '\\' || static_cast<unsigned char>(high) < static_cast<unsigned char>(low))
          throw Malformed{};
      }
      set_range(bytes, static_cast<unsigned char>(low), static_cast<unsigned char>(high));
    }
    if (negated) bytes.flip();
    return bytes;
  }

  std::string_view text_;
};

/// Writes the states of a tree back to front: each node is compiled knowing what comes after it.
class Compiler {
 public:
  explicit Compiler(std::vector<Pattern::State>& states) : states_(states) {}

  std::uint32_t add(const Pattern::State& state) {
    if (states_.size() >= Pattern::most_states) throw Malformed{};
    states_.push_back(state);
    return static_cast<std::uint32_t>(states_.size() - 1);
  }

  std::uint32_t compile(const Node& node, std::uint32_t next) {
    switch (node.kind) {
      case Node::Kind::empty:
        return next;
      case Node::Kind::byte:
        return add({.kind = Pattern::Kind::byte, .bytes = node.bytes, .next = next});
      case Node::Kind::begin:
        return add({.kind = Pattern::Kind::begin, .next = next});
      case Node::Kind::end:
        return add({.kind = Pattern::Kind::end, .next = next});
      case Node::Kind::sequence:
        for (auto child = node.children.rbegin(); child != node.children.rend(); ++child)
          next = compile(*child, next);
        return next;
      case Node::Kind::choice:
        return compile_choice(node, next);
      case Node::Kind::repeat:
        return compile_repeat(node, next);
    }
    return next;
  }

 private:
  std::uint32_t split(std::uint32_t one, std::uint32_t other) {
    return add({.kind = Pattern::Kind::split, .next = one, .alternative = other});
  }

  std::uint32_t compile_choice(const Node& node, std::uint32_t next) {
    std::uint32_t start = compile(node.children.back(), next);
    for (std::size_t at = node.children.size() - 1; at-- > 0;)
      start = split(compile(node.children[at], next), start);
    return start;
  }

  std::uint32_t compile_repeat(const Node& node, std::uint32_t next) {
    const Node& child = node.children[0];
    std::uint32_t start = next;
    if (node.high < 0) {
      start = split(next, next);
      states_[start].next = compile_once(child, start);
    }
    for (int optional = node.low; optional < node.high; ++optional)
      start = split(compile_once(child, start), next);
    for (int required = 0; required < node.low; ++required)
      start = compile_once(child, start);
    return start;
  }

  /// Nested repetitions of nothing ("((){999}){999}") add no states: their number is bounded here.
  std::uint32_t compile_once(const Node& child, std::uint32_t next) {
    if (++copies_ > Pattern::most_states) throw Malformed{};
    return compile(child, next);
  }

  std::vector<Pattern::State>& states_;
  std::size_t copies_ = 0;
};

/// The set of states a simulation is in at one place of the text, with those reached without a
/// byte.
class Front {
 public:
  explicit Front(const std::vector<Pattern::State>& states)
      : states_(states), seen_(states.size()) {}

  void clear() {
    for (const std::uint32_t state : current_)
      seen_[state] = false;
    current_.clear();
  }

  void enter(std::uint32_t start, bool at_begin, bool at_end) {
    pending_.push_back(start);
    while (!pending_.empty()) {
      const std::uint32_t at = pending_.back();
      pending_.pop_back();
      if (seen_[at]) continue;
      seen_[at] = true;
      current_.push_back(at);
      const Pattern::State& state = states_[at];
      const bool passes = state.kind == Pattern::Kind::split ||
                          (state.kind == Pattern::Kind::begin && at_begin) ||
                          (state.kind == Pattern::Kind::end && at_end);
      if (passes) pending_.push_back(state.next);
      if (state.kind == Pattern::Kind::split) pending_.push_back(state.alternative);
    }
  }

  const std::vector<std::uint32_t>& states() const { return current_; }

 private:
  const std::vector<Pattern::State>& states_;
  std::vector<bool> seen_;
  std::vector<std::uint32_t> current_;
  std::vector<std::uint32_t> pending_;
};

}  // namespace

std::optional<Pattern> Pattern::compile(std::string_view text) {
  if (text.size() > most_bytes) return std::nullopt;
  try {
    Pattern pattern;
    const Node node = Parser(text).parse();
    Compiler compiler(pattern.states_);
    const std::uint32_t match = compiler.add({.kind = Kind::match});
    pattern.start_ = compiler.compile(node, match);
    return pattern;
  } catch (const Malformed&) {
    return std::nullopt;
  }
}

bool Pattern::is_found_in(std::string_view text) const {
  Front one(states_);
  Front other(states_);
  Front* here = &one;
  Front* there = &other;
  for (std::size_t at = 0; at <= text.size(); ++at) {
    here->enter(start_, at == 0, at == text.size());
    there->clear();
    for (const std::uint32_t index : here->states()) {
      const State& state = states_[index];
      if (state.kind == Kind::match) return true;
      if (at < text.size() && state.kind == Kind::byte &&
          state.bytes[static_cast<unsigned char>(text[at])])
        there->enter(state.next, false, at + 1 == text.size());
    }
    std::swap(here, there);
  }
  return false;
}

}  // namespace netd::api
