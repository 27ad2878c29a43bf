// node forward.js <port> <loopback port>: passes connections on, untouched. The server answers to its own loopback names
// only, so what comes through must still say `Host: localhost`.
import { connect, createServer } from 'node:net'
import { pipeline } from 'node:stream'

const [port, target] = process.argv.slice(2).map(Number)
const server = createServer((from) => {
  const to = connect({ host: '127.0.0.1', port: target })
  const ended = () => {} // a connection that breaks ends its other half, and nothing else
  pipeline(from, to, ended)
  pipeline(to, from, ended)
})
server.listen(port, '0.0.0.0')
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(0))
