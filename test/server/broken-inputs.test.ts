/**
 * Inputs that a server once broke on: it ended, it stopped serving others, or it filled its log. They are small texts that say how the
 * input is made and what became of it; a `#` begins a comment.
 *
 *     clients N                that many connections do what follows, at once; one if there is no such line
 *     login, login wrong       log in, with the right key or each with another wrong one
 *     frame … end              what is between, with its size before it
 *     produce V … end          a Produce request of that version with those records
 *     hex, int32 N, repeat N   bytes; a number; bytes so many times
 *     batch gzip N, set gzip N records of format 2 or 0: so many times the bytes of one
 *     stay                     stay connected while others are served
 *     expect end: WORDS        the server ends the connection, and these words are in the reason
 *     expect some end: WORDS   the server ends some of the connections so
 *     expect answer API V: C   the next answer is of this API and version, for Produce with error code C
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { decodeResponse } from '../../protocol/headers.ts'
import { apis } from '../../protocol/messages/apis.ts'
import type { ProduceResponse } from '../../protocol/messages/produce.ts'
import { Codec } from '../../protocol/records/compression.ts'
import { batchOf, message } from '../fuzz/mutate-records.ts'
import { framed } from '../fuzz/corpus.ts'
import { RawClient } from '../support/raw-client.ts'
import { Server } from '../support/server.ts'
import { until } from '../support/wait.ts'

const directory = join('test', 'fixtures', 'broken-inputs')
const TOPIC = 'logs'

describe('inputs that broke a server', () => {
  let server: Server
  let password: string
  let healthy: RawClient

  before(async () => {
    server = await Server.start()
    await server.createLogstore(`demo/${TOPIC}`, { shards: 1 })
    await server.createLogstore('demo/healthy', { shards: 1 })
    password = await server.createKey('demo')
    healthy = await RawClient.login(server, 'demo', password)
  })

  after(() => server?.remove())

  for (const file of readdirSync(directory))
    it(`do not any more: ${file.replace('.txt', '')}`, async () => {
      const steps = readSteps(file)
      const pid = server.pid
      const logged = server.log.length
      const clients = await Promise.all(
        Array.from({ length: Number(argumentOf(steps, 'clients') ?? 1) }, () => RawClient.connect(server)),
      )
      try {
        await Promise.all(clients.map((client, index) => play(client, index, steps)))
        const words = steps.find(step => step.startsWith('expect some end: '))?.slice('expect some end: '.length)
        if (words !== undefined) assert(server.log.slice(logged).some(({ reason }) => reason?.includes(words) === true))
        await assertServed(healthy)
        const another = await RawClient.login(server, 'demo', password)
        await assertServed(another)
        another.close()
      } finally {
        for (const client of clients) client.close()
      }
      assert.equal(server.findPid('serve') ?? pid, pid, 'it is the same server')
      assert.deepEqual(
        server.log.slice(logged).filter(({ level }) => Number(level) >= 50),
        [],
      )
    })

  async function assertServed(client: RawClient): Promise<void> {
    const answers = await client.produce([{ topic: 'healthy', batch: { records: [{ value: 'x' }] } }])
    assert.deepEqual(
      answers.map(({ errorCode }) => errorCode),
      [0],
    )
  }

  async function play(client: RawClient, index: number, steps: readonly string[]): Promise<void> {
    const port = client.localPort
    /** What is between `frame` or `produce` and `end`. */
    let open: { bytes: Buffer[]; produce: number | undefined } | undefined
    for (const step of steps) {
      const [name = '', ...args] = step.split(' ')
      switch (name) {
        case 'clients':
        case 'stay':
          break
        case 'login':
          // One of many may be told to come again, by the end of its connection.
          if (args[0] === 'wrong') await client.authenticate('demo', `${password}-${index}`).catch(() => {})
          else await client.authenticate('demo', password)
          break
        case 'frame':
        case 'produce':
          open = { bytes: [], produce: name === 'produce' ? Number(args[0]) : undefined }
          break
        case 'end': {
          const { bytes, produce: version } = open!
          const batch = Buffer.concat(bytes)
          client.write(version === undefined ? framed(batch) : client.encodeProduce([{ topic: TOPIC, batch }], { version }))
          open = undefined
          break
        }
        case 'expect':
          await expect(client, port, step)
          break
        default:
          if (open === undefined) client.write(bytesOf(name, args))
          else open.bytes.push(bytesOf(name, args))
      }
    }
  }

  async function expect(client: RawClient, port: number, step: string): Promise<void> {
    const [, kind, rest = ''] = /^expect (some end|end|answer):? (.*)$/.exec(step)!
    if (kind === 'some end') return
    if (kind === 'end') {
      await client.waitForEnd()
      const line = await until('a reason in the log', () => server.log.find(({ peer }) => String(peer).endsWith(`:${port}`)))
      assert(line.reason?.includes(rest), line.reason)
      return
    }
    const [, api, version, code] = /^(\w+) (\d+)(?:: (\d+))?$/.exec(rest)!
    const { response } = apis.find(({ name }) => name === api)!
    const { value } = decodeResponse(response, Number(version), await client.receiveFrame())
    if (code === undefined) return
    const [topic] = (value as ProduceResponse).responses
    assert.equal(topic?.partitionResponses[0]?.errorCode, Number(code))
  }
})

function readSteps(file: string): string[] {
  const lines = readFileSync(join(directory, file), 'utf8').split('\n')
  return lines.map(line => line.replace(/#.*/, '').trim()).filter(line => line !== '')
}

function argumentOf(steps: readonly string[], name: string): string | undefined {
  return steps.find(step => step.startsWith(`${name} `))?.split(' ')[1]
}

function bytesOf(name: string, args: readonly string[]): Buffer {
  if (name === 'int32') {
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(Number(args[0]))
    return bytes
  }
  if (name === 'hex') return Buffer.from(args.join(''), 'hex')
  const [count, ...hex] = name === 'repeat' ? args : args.slice(1)
  const one = Buffer.from(hex.join(''), 'hex')
  const all = Buffer.alloc(Number(count) * one.length, one)
  if (name === 'repeat') return all
  if (name === 'batch') return batchOf({ codec: Codec.GZIP, count: Number(count), payload: gzipSync(all) })
  if (name === 'set') return message({ magic: 0, codec: Codec.GZIP, value: gzipSync(all) })
  throw new Error(`there is no step ${name}`)
}
