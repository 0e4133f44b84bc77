/**
 * Fluentd, Kong and APISIX, which come neither from Debian nor from the registries of npm, PyPI, Maven, Rust and Go: what they have
 * sent to Apache Kafka is sent to sluice, and each row is compared with the record that it was.
 */
import assert from 'node:assert/strict'
import { CAPTURED_LOGSTORE, captures, readCapture, replay, startCapturedServer, type ProducedRecord } from '../support/replay.ts'
import type { Server } from '../support/server.ts'
import type { Row } from './agent-under-test.ts'
import { addDelivery } from './page.ts'

/** By name: the version that was recorded. */
const versions = {
  fluentd: '1.18.0, fluent-plugin-kafka 0.19.7',
  kong: 'lua-resty-kafka 0.21 of Kong',
  apisix: '3.18.0, lua-resty-kafka 0.23',
} as const

describe('recorded agents', () => {
  let server: Server
  /** How many rows the conversations so far have left. */
  let seen = 0

  before(async () => {
    server = await startCapturedServer()
  })

  after(() => server?.remove())

  for (const [agent, version] of Object.entries(versions))
    it(`have each record of ${agent} stored as it was`, async () => {
      let records = 0
      for (const name of captures.filter(name => name.startsWith(agent))) {
        const produced = await replay(server, readCapture(name))
        const logs = produced.flatMap(splitLogs)
        await server.waitForRows(CAPTURED_LOGSTORE, seen + logs.length)
        const rows = (
          await server.query<Row>(CAPTURED_LOGSTORE, 'SELECT content, _key, _error FROM log ORDER BY _entry, _offset, _index')
        ).slice(seen)
        assertSame(rows, logs, name)
        seen += rows.length
        records += logs.length
      }
      assert(records > 0)
      addDelivery({ agent, version, how: 'replayed', records, rows: records, isSame: true })
    })
})

/** An array is as many logs as it has elements, each with the bytes that it has in the array. */
function splitLogs(record: ProducedRecord): ProducedRecord[] {
  const document: unknown = JSON.parse(record.value)
  if (!Array.isArray(document)) return [record]
  // As the JSON library of both gateways writes slashes.
  const elements = document.map(element => JSON.stringify(element).replaceAll('/', String.raw`\/`))
  assert.equal(`[${elements.join(',')}]`, record.value)
  return elements.map(value => ({ ...record, value }))
}

/** As many rows, the same ones, and those of a connection and partition in their order. */
function assertSame(rows: readonly Row[], logs: readonly ProducedRecord[], name: string): void {
  assert.deepEqual([...new Set(rows.map(({ _error }) => _error))], logs.length === 0 ? [] : [''], name)
  const stored = rows.map(({ _key = '', content }) => `${_key} ${content}`)
  const sent = logs.map(({ stream, key, value }) => ({ stream, text: `${key} ${value}` }))
  assert.deepEqual(stored.toSorted(), sent.map(({ text }) => text).toSorted(), name)
  for (const stream of new Set(sent.map(log => log.stream))) {
    let next = 0
    for (const { text } of sent.filter(log => log.stream === stream)) {
      next = stored.indexOf(text, next) + 1
      assert(next > 0, `${name}: not in its order: ${text}`)
    }
  }
}
