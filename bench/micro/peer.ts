/**
 * The process at the other end of TLS whose CPU is measured: it takes what comes and throws it away, at once or when much has
 * gathered, or sends small answers. It is asked over the channel that it was forked with.
 */
import { constants } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer as createPlainServer, type AddressInfo } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import type { FromPeer, ToPeer } from './messages.ts'

const [certFile, keyFile] = process.argv.slice(2)
let receivedBytes = 0
let holdBytes = 0
let held: Buffer[] = []
let heldBytes = 0
const sockets = new Set<TLSSocket>()

// As a listener of the server has them.
const tls = createServer(
  {
    cert: readFileSync(certFile!),
    key: readFileSync(keyFile!),
    minVersion: 'TLSv1.2',
    secureOptions: constants.SSL_OP_NO_TICKET,
  },
  socket => {
    sockets.add(socket)
    socket.on('data', receive)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
  },
)
const plain = createPlainServer({ noDelay: true, keepAlive: true }, socket => tls.emit('connection', socket))
plain.listen({ host: '127.0.0.1', port: 0 }, () => tell({ kind: 'port', port: (plain.address() as AddressInfo).port }))

process.on('message', (message: ToPeer) => {
  if (message.kind === 'hold') return void (holdBytes = message.bytes)
  if (message.kind === 'usage') return tellUsage()
  const answer = Buffer.from(message.answer, 'base64')
  const left = Math.ceil(message.count / sockets.size)
  void Promise.all([...sockets].map(socket => send(socket, answer, left))).then(tellUsage)
})
process.on('disconnect', () => process.exit())

function receive(chunk: Buffer): void {
  receivedBytes += chunk.length
  held.push(chunk)
  heldBytes += chunk.length
  if (heldBytes < holdBytes) return
  held = []
  heldBytes = 0
}

/** One after the other, each a write of its own. */
async function send(socket: TLSSocket, answer: Buffer, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent++) await new Promise<void>(resolve => socket.write(answer, () => resolve()))
}

function tellUsage(): void {
  const { user, system } = process.cpuUsage()
  tell({ kind: 'usage', cpuNs: (user + system) * 1000, receivedBytes })
}

function tell(message: FromPeer): void {
  process.send!(message)
}
