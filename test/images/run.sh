#!/usr/bin/env bash
# Runs compose.yaml for real and looks at what it promises: `docker compose up` books a seat, the images run as nobody
# special on a file system that they cannot write to, are found healthy, and end when they are asked to.
#
# For Debian, as root; it asks nothing. Image registries are not needed: the base images are made here out of Debian's
# packages and Node's from npm, under the names that compose.yaml and the Dockerfile use, and known only to a Docker engine
# of this script's own. Nothing stays but the packages docker.io and debootstrap. The last line is `N passed, N failed`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

passed=0
failed=0
finished=no
dockerd_pid=
work=$(mktemp -d)
export DOCKER_HOST="unix://$work/docker.sock" DOCKER_CONFIG=$work/config
AUTH_JWT_SECRET=$(node -p 'require("crypto").randomBytes(32).toString("hex")')
PORT=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
export AUTH_JWT_SECRET PORT

finish() {
  trap - EXIT
  if [ -n "$dockerd_pid" ]; then
    compose down --volumes --timeout 5 >/dev/null 2>&1 || true
    kill "$dockerd_pid" 2>/dev/null || true
    wait "$dockerd_pid" 2>/dev/null || true
  fi
  umount -R "$work/root/proc" "$work/root/sys" 2>/dev/null || true
  rm -rf --one-file-system "$work"
  # Whatever ends this early is a failure.
  [ $finished = yes ] || failed=$((failed + 1))
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ]
  exit
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

say() { echo "== $*"; }

# expect WHAT FOUND PATTERN: the pattern is bash's.
expect() {
  # shellcheck disable=SC2053
  if [[ $2 == $3 ]]; then
    passed=$((passed + 1))
    echo "ok: $1"
  else
    failed=$((failed + 1))
    echo "FAILED: $1: $2"
  fi
}

compose() { docker compose --file compose.yaml --file test/images/compose.test.yaml --profile tools "$@"; }

# The command, in its container.
frontrow() { compose run --rm --no-deps --no-TTY frontrow "$@" 2>>"$work/frontrow.log"; }

install_engine() {
  if [ "$(id -u)" != 0 ] || [ -z "$(mirror)" ]; then
    echo 'This needs Debian, and root.' >&2
    return 1
  fi
  if command -v debootstrap dockerd docker >/dev/null; then return; fi
  say 'Installing debootstrap and docker.io'
  apt-get -q=2 update
  DEBIAN_FRONTEND=noninteractive apt-get -q=2 -o DPkg::Lock::Timeout=120 install --yes --no-install-recommends \
    debootstrap docker.io >/dev/null
}

# The mirror that this machine's own packages come from.
mirror() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | sed -n 1p
}

# One file system for all base images: they differ in what they run.
make_root() {
  say 'Making a file system of Debian sid with MySQL, Redis, HAProxy and Compose'
  debootstrap --variant=minbase --include=ca-certificates,mysql-server-core,mysql-client-core,redis-server,haproxy,docker-compose \
    sid "$work/root" "$(mirror)" >"$work/debootstrap.log" 2>&1 || {
    tail -n 5 "$work/debootstrap.log" >&2
    return 1
  }
  mkdir -p "$DOCKER_CONFIG/cli-plugins"
  mv "$work/root/usr/libexec/docker/cli-plugins/docker-compose" "$DOCKER_CONFIG/cli-plugins/"
  rm -rf "$work/root/var/cache/apt" "$work/root/usr/share/doc" "$work/root/usr/share/locale" "$work"/root/usr/sbin/mysqld-debug
  say 'Adding Node 24 and npm'
  local machine
  machine=$(node -p process.arch)
  npm install --prefix "$work/node" --no-audit --no-fund --loglevel=error --ignore-scripts "node-linux-$machine@24" npm@11 >/dev/null
  local target=$work/root/usr/local
  mkdir -p "$target/lib/node_modules" "$target/etc"
  cp "$work/node/node_modules/node-linux-$machine/bin/node" "$target/bin/node"
  cp -r "$work/node/node_modules/npm" "$target/lib/node_modules/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$target/bin/npm"
  # Whatever this machine needs to reach its package registry.
  cp /etc/ssl/certs/ca-certificates.crt "$work/root/etc/ssl/certs/ca-certificates.crt"
  npm config list --location=global | grep -q . && cp "$(npm config get globalconfig)" "$target/etc/npmrc" 2>/dev/null || true
  [ ! -f "$(npm config get userconfig)" ] || cp "$(npm config get userconfig)" "$work/root/root/.npmrc"
  cp test/images/mysql-entrypoint.sh "$target/bin/mysql-entrypoint.sh"
  chmod 755 "$target/bin/mysql-entrypoint.sh" "$target/bin/node"
  chroot "$work/root" useradd --uid 1000 --create-home node
  chroot "$work/root" useradd --system --home-dir /nonexistent mysql 2>/dev/null || true
  mkdir -p "$work/root/var/lib/mysql" "$work/root/data"
}

start_engine() {
  # No container gets beyond its bridge, so no rules are needed for it; ports are published by a process.
  dockerd --storage-driver=vfs --iptables=false --ip6tables=false --data-root "$work/docker" --exec-root "$work/exec" \
    --pidfile "$work/docker.pid" --host "$DOCKER_HOST" >"$work/dockerd.log" 2>&1 &
  dockerd_pid=$!
  local tries
  for ((tries = 0; tries < 60; tries++)); do
    docker version >/dev/null 2>&1 && return
    sleep 0.5
  done
  tail -n 5 "$work/dockerd.log" >&2
  return 1
}

make_images() {
  say 'Making base images'
  tar -C "$work/root" -c . >"$work/root.tar"
  rm -rf --one-file-system "$work/root"
  base node:24-slim 'CMD ["node"]'
  base mysql:8.4 'ENTRYPOINT ["mysql-entrypoint.sh"]' 'CMD []'
  # The image of Redis is built to answer others than its own machine.
  base redis:8 'WORKDIR /data' 'ENTRYPOINT ["sh", "-c", "exec \"$@\" --protected-mode no", "--"]'
  base haproxy:3.2 'USER haproxy' 'CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]'
  rm "$work/root.tar"
}

base() {
  local name=$1 changes=()
  shift
  for change; do changes+=(--change "$change"); done
  docker import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin' "${changes[@]}" "$work/root.tar" "$name" >/dev/null
}

# As a customer: METHOD PATH [BODY KEY].
ask() {
  curl --silent --show-error --max-time 5 --request "$1" "http://127.0.0.1:$PORT$2" \
    --header "Authorization: Bearer $token" ${3:+--header 'Content-Type: application/json' --data "$3" --header "Idempotency-Key: $4"} || true
}

book_a_seat() {
  say 'Booking a seat'
  frontrow import catalogue.json >/dev/null
  token=$(frontrow token alice)
  local accepted id tries
  accepted=$(ask POST /bookings '{"performanceId":"hamlet-0101","sectionId":"A","seatIds":["1-17"]}' first)
  expect 'a booking is accepted' "$accepted" '*"status":"PENDING"*'
  id=$(node -p 'JSON.parse(process.argv[1]).requestId' "$accepted")
  for ((tries = 0; tries < 50; tries++)); do
    outcome=$(ask GET "/bookings/$id")
    [[ $outcome != *PENDING* ]] && break
    sleep 0.1
  done
  expect 'it is confirmed' "$outcome" '*"status":"CONFIRMED"*'
  expect 'the command books too' \
    "$(frontrow book hamlet-0101 A 1-18 --token "$token" --wait)" '*CONFIRMED*'
  expect 'the same seat is refused, with the exit code that says so' \
    "$(frontrow book hamlet-0101 A 1-17 --token "$token" --wait >/dev/null; echo $?)" 1
}

look_at_containers() {
  local service container
  for service in functions consumer; do
    say "Looking at $service"
    # Not `head`: it would end before the other side has said all, which counts as a failure here.
    container=$(compose ps --quiet "$service" | sed -n 1p)
    expect "two of $service run" "$(compose ps --quiet --status running "$service" | wc -l)" 2
    expect "$service is healthy" "$(docker inspect --format '{{.State.Health.Status}}' "$container")" healthy
    expect "$service is not root" "$(docker exec "$container" id -u)" 1000
    expect "$service is process 1" "$(docker exec "$container" cat /proc/1/cmdline | tr '\0' ' ')" "node *$service.mjs*"
    expect "$service cannot write" "$(docker exec "$container" touch /app/x 2>&1 || true)" '*Read-only file system*'
    expect "$service may gain nothing" "$(docker exec "$container" grep -E 'CapEff|NoNewPrivs' /proc/1/status | tr -d '\t\n')" \
      'CapEff:0000000000000000NoNewPrivs:1'
  done
  expect 'Redis syncs each write' "$(compose exec -T redis redis-cli config get appendfsync | tr '\n' ' ')" '*always*'
}

stop_one() {
  local service=$1 container started ended
  container=$(compose ps --quiet "$service" | sed -n 1p)
  started=$(date +%s%N)
  docker stop --time 15 "$container" >/dev/null
  ended=$(date +%s%N)
  expect "$service ends at SIGTERM" "$(docker inspect --format '{{.State.ExitCode}}' "$container")" 0
  echo "   within $(((ended - started) / 1000000)) ms"
  expect 'and soon' "$(((ended - started) / 1000000 < 8000))" 1
}

lose_one() {
  say 'Doing without one of each'
  stop_one functions
  stop_one consumer
  local tries status
  for ((tries = 0; tries < 100; tries++)); do
    status=$(frontrow book hamlet-0101 A "2-$((tries % 20 + 1))" --token "$token" --wait --json || true)
    [[ $status == *CONFIRMED* ]] && break
  done
  expect 'a seat is still booked' "$status" '*CONFIRMED*'
}

install_engine
make_root
start_engine
make_images
say 'docker compose build'
compose build >"$work/build.log" 2>&1 || {
  tail -n 30 "$work/build.log"
  exit 1
}
say 'docker compose up'
started=$SECONDS
docker compose --file compose.yaml up --no-build --wait --wait-timeout 240 >"$work/up.log" 2>&1 || {
  tail -n 15 "$work/up.log"
  compose logs --tail 15
  exit 1
}
echo "   took $((SECONDS - started)) s"
docker images --format '{{.Repository}} {{.Size}}' | grep '^frontrow' || true
book_a_seat
look_at_containers
lose_one
finished=yes
