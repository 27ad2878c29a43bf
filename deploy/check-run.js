// The second half of check.sh, inside its mounts and with a network of its own: starts what compose.yaml starts, in its
// order, and runs a job through it.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const { T, user, entry, health } = process.env
const { services } = JSON.parse(readFileSync(`${T}/compose.json`, 'utf8'))
const [uid, gid] = user.split(':')
const children = new Map()

const say = (text) => console.log(`${new Date().toTimeString().slice(0, 8)}  ${text}`)
function must(holds, text) {
  if (!holds) throw new Error(text)
  say(text)
}

/** The line that runs a command as the image would: its user, no capability, no new privilege, its root. */
const inImage = (command) => [
  'chroot',
  [
    `${T}/final/root`,
    'setpriv',
    `--reuid=${uid}`,
    `--regid=${gid}`,
    '--clear-groups',
    '--inh-caps=-all',
    '--bounding-set=-all',
    '--no-new-privs',
    '/bin/sh',
    '-c',
    'cd /app && exec "$@"',
    'sh',
    ...command,
  ],
]

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const environment = (service, password) => {
  const given = Object.entries(service.environment ?? {}).map(([name, value]) => [
    name,
    value.replace(/\$\{POSTGRES_PASSWORD[^}]*\}/, password),
  ])
  return { PATH, HOME: '/', NODE_ENV: 'production', ...Object.fromEntries(given) }
}

const commandOf = (service) => [...(service.entrypoint ?? JSON.parse(entry)), ...(service.command ?? [])]

function start(name, password) {
  const child = spawn(...inImage(commandOf(services[name])), {
    env: environment(services[name], password),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const log = createWriteStream(`${T}/${name}.log`)
  child.stdout.pipe(log)
  child.stderr.pipe(log)
  children.set(name, child)
  return child
}

/** As `docker compose exec <service> …`. */
function exec(name, command, password) {
  const { status, stdout, stderr } = spawnSync(...inImage(command), {
    env: environment(services[name], password),
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

async function healthy(name, password) {
  const deadline = Date.now() + 20_000
  for (;;) {
    if (exec(name, JSON.parse(health), password).status === 0)
      return must(true, `${name} is healthy, says the image's own check`)
    if (children.get(name).exitCode !== null)
      throw new Error(`${name} has ended: ${readFileSync(`${T}/${name}.log`, 'utf8')}`)
    if (Date.now() > deadline) throw new Error(`${name} is not healthy`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

async function stop(name) {
  const child = children.get(name)
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const started = Date.now()
  const [code] = await ended
  must(code === 0, `${name} ended with exit code 0 in ${((Date.now() - started) / 1000).toFixed(1)} s after SIGTERM`)
}

execFileSync('ip', ['link', 'set', 'lo', 'up'])
const postgres = spawn('chroot', [`${T}/build/root`, process.execPath, '/tmp/postgres.mjs'], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
children.set('postgres', postgres)
const [password] = await once(createInterface(postgres.stdout), 'line')
say('an external PostgreSQL takes connections as postgres:5432')

const refused = exec('worker', ['forgeq', 'jobs', 'list'], 'wrong')
must(refused.status === 1 && /password/.test(refused.stderr), 'a wrong password is refused, exit code 1')

const migrated = exec('migrate', commandOf(services.migrate), password)
must(migrated.status === 0, `migrate: ${(migrated.stdout || migrated.stderr).trim()}`)
must(exec('migrate', commandOf(services.migrate), password).status === 0, 'migrate again: nothing to do')

start('server', password)
start('worker', password)
await healthy('server', password)
await healthy('worker', password)

const written = exec('server', ['touch', '/app/x'], password)
must(written.status !== 0 && /Read-only/.test(written.stderr), 'the root is read-only')
must(exec('server', ['id', '-u'], password).stdout.trim() === uid, `they run as uid ${uid}`)

const ran = exec('server', ['forgeq', 'enqueue', '--type', 'hello', '--payload', '{"name":"Ada"}', '--wait'], password)
must(
  ran.status === 0 && ran.stdout.includes('"Hello, Ada!"'),
  'a job went from `exec server forgeq enqueue` to the worker and back',
)

start('port', password)
let answer
for (let tries = 0; tries < 50 && !answer?.ok; tries++) {
  await new Promise((resolve) => setTimeout(resolve, 100))
  answer = await fetch('http://127.0.0.1:8080/jobs').catch(() => undefined)
}
must(answer?.ok && (await answer.json()).items.length === 1, 'the service `port` passes HTTP on')
const foreign = spawnSync(
  'curl',
  ['-s', '-o', '/dev/null', '-w', '%{http_code}', '-H', 'Host: evil.example', 'http://127.0.0.1:8080/jobs'],
  { encoding: 'utf8' },
)
must(foreign.stdout === '403', 'and a foreign host name is refused through it, too')

await stop('port')
await stop('worker')
await stop('server')
postgres.kill('SIGTERM')
process.exit(0)
