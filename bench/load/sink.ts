/**
 * The limit of what any server in Node could do: a TLS server, in a process of its own, that throws away what it receives. The same
 * file is that process, if it is started as `node sink.js CERT KEY`.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:tls'
import { fileURLToPath } from 'node:url'
import type { Certificates } from './certificates.ts'
import type { Target } from './generator.ts'

const file = fileURLToPath(import.meta.url)

export class Sink implements Target {
  readonly broker: string
  readonly ca: string
  readonly #process: ChildProcess

  private constructor(child: ChildProcess, port: string, ca: string) {
    this.#process = child
    this.broker = `127.0.0.1:${port}`
    this.ca = ca
  }

  static async start({ ca, cert, key }: Certificates, node = process.execPath): Promise<Sink> {
    const child = spawn(node, [file, cert, key], { stdio: ['pipe', 'pipe', 'inherit'] })
    const [port] = (await once(child.stdout, 'data')) as [Buffer]
    return new Sink(child, String(port).trim(), ca)
  }

  get pids(): number[] {
    return [this.#process.pid!]
  }

  async remove(): Promise<void> {
    const ended = once(this.#process, 'exit')
    this.#process.kill()
    await ended
  }
}

if (process.argv[1] === file) {
  const [cert, key] = process.argv.slice(2).map(path => readFileSync(path))
  const server = createServer({ cert, key }, socket => {
    socket.on('data', () => {})
    socket.on('error', () => {})
  }).listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
  // It ends with whoever has started it.
  process.stdin.on('end', () => process.exit()).resume()
}
