/**
 * kafkajs as an application has it: what could not be delivered after many tries is reported, and the next records are sent.
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { Kafka, logLevel, type LogEntry, type Message } from 'kafkajs'
import type { AgentUnderTest, Row, Setup } from '../agent-under-test.ts'
import { makeLargeLine, makeLines, numberOfLine } from '../configured.ts'

export const kafkajs: AgentUnderTest = {
  name: 'kafkajs',
  how: 'real',
  isQuick: true,
  isLibrary: true,
  async prepare() {
    const { version } = JSON.parse(await readFile('node_modules/kafkajs/package.json', 'utf8')) as { version: string }
    return { version, start }
  },
}

async function start({ printed: file, password, logstore }: Setup) {
  const { broker, ca, user } = JSON.parse(await readFile(file, 'utf8')) as { broker: string; ca: string; user: string }
  let printed = ''
  const print = (words: string) => (printed = `${printed}${words}\n`.slice(-20_000))
  const kafka = new Kafka({
    brokers: [broker],
    ssl: { ca: [ca] },
    sasl: { mechanism: 'plain', username: user, password },
    retry: { initialRetryTime: 300, maxRetryTime: 5_000, retries: 30 },
    logLevel: logLevel.ERROR,
    logCreator: () => (entry: LogEntry) => print(`[${entry.namespace}] ${entry.log.message} ${String(entry.log['error'] ?? '')}`),
  })
  const producer = kafka.producer()
  /** One send after the other; it ends with the last one. */
  let sending = producer.connect()
  const send = (messages: Message[]) => {
    sending = sending
      .then(async () => void (await producer.send({ topic: logstore, acks: -1, messages })))
      .catch((error: Error) => void print(`${error.name}: ${error.message}`))
    return Promise.resolve()
  }
  return {
    put: (from: number, to: number) => send(makeLines(from, to).map(value => ({ value }))),
    putLarge: (bytes: number) => send([{ value: makeLargeLine(bytes) }]),
    numberOf: ({ content }: Row) => numberOfLine(content),
    assertSame: ({ content }: Row, n: number) => assert.equal(content, makeLines(n, n + 1)[0]),
    get printed() {
      return printed
    },
    stop: () => sending.finally(() => producer.disconnect()),
  }
}
