#!/usr/bin/env bash
# Runs the tests that need servers against the newest that Debian has (sid): MySQL itself, where a machine's own
# packages bring MariaDB, and the latest Redis. Once on private servers, as `npm test` starts them, and once on a MySQL
# as it comes: with binary log and performance schema, and reached over TLS only.
#
# For Debian, as root; it asks nothing. The servers and their libraries are unpacked into a temporary folder and run from
# there. Nothing else changes on the machine, but that debootstrap, which fetches and verifies them, is installed.
# The last line is `N passed, N failed`, and how many were skipped if any were.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

passed=0
failed=0
skipped=0
finished=no
mysqld_pid=
work=$(mktemp -d)

finish() {
  trap - EXIT
  if [ -n "$mysqld_pid" ]; then
    kill "$mysqld_pid" 2>/dev/null || true
    wait "$mysqld_pid" 2>/dev/null || true
  fi
  rm -rf --one-file-system "$work"
  # Whatever ends this early is a failure.
  [ $finished = yes ] || failed=$((failed + 1))
  local tail=
  [ "$skipped" -eq 0 ] || tail=", $skipped skipped"
  echo "$passed passed, $failed failed$tail"
  [ "$failed" -eq 0 ]
  exit
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

say() { echo "== $*"; }

# The mirror that this machine's own packages come from.
mirror() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | sed -n 1p
}

fetch_servers() {
  if [ "$(id -u)" != 0 ] || [ -z "$(mirror)" ]; then
    echo 'This needs Debian, and root.' >&2
    return 1
  fi
  if ! command -v debootstrap >/dev/null; then
    say 'Installing debootstrap'
    apt-get -q=2 update
    DEBIAN_FRONTEND=noninteractive apt-get -q=2 -o DPkg::Lock::Timeout=120 install --yes --no-install-recommends debootstrap >/dev/null
  fi
  say 'Fetching MySQL and Redis of Debian sid'
  debootstrap --download-only --variant=minbase --include=mysql-server-core,redis-server \
    sid "$work/packages" "$(mirror)" >"$work/debootstrap.log" || {
    tail -n 5 "$work/debootstrap.log" >&2
    return 1
  }
  mkdir "$work/root" "$work/bin"
  local package
  for package in "$work"/packages/var/cache/apt/archives/*.deb; do dpkg-deb --extract "$package" "$work/root"; done
  wrap mysqld /usr/sbin/mysqld "--basedir=$work/root/usr"
  wrap redis-server /usr/bin/redis-server
  "$work/bin/mysqld" --no-defaults --version
  "$work/bin/redis-server" --version
}

# A program of the folder under its own name, with its own libraries. mysqld wants --no-defaults to be the first argument.
wrap() {
  local name=$1 program=$work/root$2 more=${3:-} loader libraries
  loader=$(ls "$work"/root/usr/lib*/ld-linux-* | sed -n 1p)
  libraries=$(echo "$work"/root/usr/lib/*-linux-gnu)
  cat >"$work/bin/$name" <<END
#!/bin/sh
first=\$1
shift
exec '$loader' --argv0 "\$0" --library-path '$libraries' '$program' "\$first" ${more:+"'$more'"} "\$@"
END
  chmod +x "$work/bin/$name"
}

# Runs test files on the servers of the folder, one at a time, and adds up.
run_tests() {
  local counts
  # Neither Docker nor servers of the caller's environment.
  env -u REDIS_URL -u REDIS_TLS_CA_FILE -u DATABASE_TLS_CA_FILE DATABASE_URL="${DATABASE_URL:-}" \
    PATH="$work/bin:$PATH" DOCKER_HOST=none FRONTROW_NO_INSTALL=1 \
    npm test -- --no-check --project integration --no-file-parallelism "$@" 2>&1 | tee "$work/tests.log" || true
  counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$work/tests.log" | tail -n 1) || counts='0 passed, 1 failed'
  passed=$((passed + ${counts%% passed*}))
  counts=${counts#*, }
  failed=$((failed + ${counts%% failed*}))
  counts=${counts#* failed}
  counts=${counts#, }
  counts=${counts%% skipped*}
  skipped=$((skipped + ${counts:-0}))
}

free_port() {
  node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })'
}

# Sets DATABASE_URL.
start_mysql_as_it_comes() {
  local port password=
  port=$(free_port)
  password=$(node -p 'require("crypto").randomBytes(16).toString("hex")')
  cat >"$work/init.sql" <<END
CREATE DATABASE frontrow;
CREATE USER 'frontrow'@'%' IDENTIFIED WITH caching_sha2_password BY '$password' REQUIRE SSL;
GRANT ALL ON *.* TO 'frontrow'@'%';
END
  local common=(--no-defaults --user=root "--datadir=$work/mysql" --secure-file-priv=NULL)
  "$work/bin/mysqld" "${common[@]}" --initialize-insecure >"$work/mysql.log" 2>&1
  "$work/bin/mysqld" "${common[@]}" "--init-file=$work/init.sql" --bind-address=127.0.0.1 "--port=$port" \
    "--socket=$work/mysql.sock" "--pid-file=$work/mysql.pid" --mysqlx=OFF --require-secure-transport=ON \
    >>"$work/mysql.log" 2>&1 &
  mysqld_pid=$!
  local tries
  for ((tries = 0; tries < 120; tries++)); do
    if grep -q "ready for connections.*port: $port" "$work/mysql.log"; then
      DATABASE_URL="mysql://frontrow:$password@127.0.0.1:$port/frontrow?ssl-mode=REQUIRED"
      return
    fi
    sleep 0.5
  done
  tail -n 5 "$work/mysql.log" >&2
  return 1
}

fetch_servers
DATABASE_URL=
say 'Everything, on private servers'
run_tests
say 'On MySQL as it comes, over TLS'
start_mysql_as_it_comes
run_tests test/integration test/contract
finished=yes
