# How tours show what they do: commands with their output, checks, the verdict. Sourced by ./quickstart.
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
  bold='' dim='' green='' red='' plain=''
fi
passed=0
failed=0

heading() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }
explain() { printf '  %s%s%s\n' "$dim" "$1" "$plain"; }
pass() {
  passed=$((passed + 1))
  printf '  %s✓ %s%s\n' "$green" "$1" "$plain"
}
fail() {
  failed=$((failed + 1))
  printf '  %s✗ %s%s\n' "$red" "$1" "$plain"
}
indent() { sed 's/^/    /'; }

# run COMMAND…: shows the command and what it printed; its status; the text is in $output.
run() {
  local status=0
  printf '  $ %s\n' "$*"
  output=$("$@" 2>&1) || status=$?
  [ -z "$output" ] || printf '%s\n' "$output" | indent
  return $status
}
# expect MEANING TEXT COMMAND…: the command succeeds and prints TEXT (a part of it).
expect() {
  local meaning=$1 text=$2
  shift 2
  if run "$@" && [[ $output == *"$text"* ]]; then pass "$meaning"; else fail "$meaning (expected: ${text:-success})"; fi
}
# refuse MEANING COMMAND…: the command fails, as it must.
refuse() {
  local meaning=$1
  shift
  if run "$@"; then fail "$meaning"; else pass "$meaning"; fi
}
# wait_for COMMAND…: until it succeeds, at most ten seconds.
wait_for() {
  local end=$((SECONDS + 10))
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.05
  done
}
dead() { ! kill -0 "$1" 2>/dev/null; }

# fetch_on ADDRESS COMMAND…: the command, which enters a sandbox, fetches again and again from there, one line a fetch, until
# end_fetching.
fetch_on() {
  local address=$1
  shift
  rm -f /run/quickstart/stop /run/quickstart/fetches
  "$@" sh -c '
    until [ -e /run/quickstart/stop ]; do
      curl -s -o /dev/null --max-time 2 "http://$1/" && echo ok || echo lost
    done >/run/quickstart/fetches' sh "$address" &
  fetching=$!
  wait_for test -s /run/quickstart/fetches
}
fetches() { grep -c "$1" /run/quickstart/fetches || true; } # ok or lost
# end_fetching BEFORE: more than BEFORE fetches worked, and none was lost.
end_fetching() {
  touch /run/quickstart/stop
  wait_for dead "$fetching" || true
  if [ "$(fetches lost)" = 0 ] && [ "$(fetches ok)" -gt "$1" ]; then
    pass "all of $(fetches ok) fetches worked, none was lost"
  else
    fail "$(fetches lost) of $(wc -l </run/quickstart/fetches) fetches were lost"
  fi
}

# Compares the tour's traces with those of before netd's first start.
same_as_before() { traces | cmp -s - /run/quickstart/before; }
prove_nothing_left() { # MEANING
  wait_for same_as_before || true # dying links are reaped in the background
  traces >/run/quickstart/after
  if diff -u /run/quickstart/before /run/quickstart/after >/run/quickstart/difference; then
    explain "Now as before netd's first start:"
    indent </run/quickstart/after
    pass "$1"
  else
    indent </run/quickstart/difference
    fail "netd left something behind"
  fi
}

verdict() {
  if [ "$failed" = 0 ]; then
    heading "${green}netd works on this machine: all $passed checks held.$plain"
  else
    heading "${red}$failed of $((passed + failed)) checks failed.$plain"
    explain "The daemon's log:"
    tail -n 40 /run/quickstart/netd.log 2>/dev/null | indent || true
  fi
}
