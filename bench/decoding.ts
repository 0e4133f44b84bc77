/**
 * What it costs to turn logs of each format into rows: from the batch of a journal entry to the bytes of an insert.
 *
 *     npm run bench -- decoding [--seconds 1] [--json]
 *
 * CPU seconds are per GB of values. The batches are not compressed.
 */
import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { Chunks } from '../protocol/chunks.ts'
import { readBatchHeader } from '../protocol/records/batch.ts'
import { buildBatch } from '../protocol/records/build-batch.ts'
import { Codec } from '../protocol/records/compression.ts'
import { Decoder } from '../src/decoding/decoder.ts'
import type { LogFormat, Mask } from '../src/decoding/log-format.ts'
import { rowsOf } from '../src/indexing/rows.ts'
import type { DecodedEntry } from '../src/journal/format.ts'
import { RowBlock } from '../src/store/row-block.ts'

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '1' }, json: { type: 'boolean', default: false } },
})

const RECORDS = 500
const receivedMs = Date.now()
const time = new Date(receivedMs).toISOString()

const nginxJson = (n: number): string =>
  `{"time":"${time}","remote_addr":"10.1.${n % 250}.7","method":"GET","path":"/api/v1/items/${n}","status":${n % 9 ? 200 : 404},` +
  `"bytes":${n * 37},"took":0.0${n},"agent":"Mozilla/5.0 (X11; Linux x86_64)","trace":"${randomUUID()}"}`
const beatJson = (n: number): string =>
  `{"@timestamp":"${time}","@metadata":{"beat":"filebeat","type":"_doc","version":"8.11.0"},"message":"request ${n} of user ${n % 77} is done in ${n} ms",` +
  `"log":{"offset":${n * 100},"file":{"path":"/var/log/pods/web-${n % 40}/app/0.log"}},"kubernetes":{"pod":{"name":"web-${n % 40}","uid":"${randomUUID()}"},` +
  `"namespace":"shop","node":{"name":"node-${n % 7}"},"labels":{"app":"web","tier":"front","release":"2026-01"},"container":{"name":"app","image":"registry.example.com/shop/web:1.2.3"}},` +
  `"host":{"name":"node-${n % 7}","os":{"kernel":"6.1.0","family":"debian"}},"agent":{"version":"8.11.0","type":"filebeat","id":"${randomUUID()}"},"ecs":{"version":"8.0.0"}}`
const text = (n: number): string =>
  `${time} WARN [worker-${n % 8}] com.example.Shop - order ${n} was not taken: no such item, user ${n % 77} told so`
const influx = (n: number): string =>
  `cpu,cpu=cpu${n % 8},host=web${n % 40} usage_idle=${90 + (n % 10)}.25,usage_user=${n % 10}.5,usage_system=1.25,n=${n}i ${receivedMs}000000`
const xml = (n: number): string =>
  `<log level="info" time="${time}"><msg>order ${n} is taken &amp; sent</msg><user>${n % 77}</user><host>web${n % 40}</host></log>`
const access = (n: number): string =>
  `10.1.${n % 250}.7 - - [15/Jan/2026:12:00:00 +0000] "GET /api/v1/items/${n} HTTP/1.1" 200 ${n * 37} "https://example.com/shop" "Mozilla/5.0 (X11; Linux x86_64)"`

interface Case {
  name: string
  format?: LogFormat
  value: (n: number) => string
  masks?: Mask[]
  /** -1 for records without one. */
  timestamp?: number
}

const cases: Case[] = [
  { name: 'json, nginx', value: nginxJson },
  { name: 'json, beat', value: beatJson },
  { name: 'json, no timestamp', value: nginxJson, timestamp: -1 },
  { name: 'json, time field', value: nginxJson, format: { name: 'json', timeField: ['time'] } },
  { name: 'json, arrays of 100', value: n => `[${Array.from({ length: 100 }, (_, index) => nginxJson(n + index)).join(',')}]` },
  { name: 'json, mask (no match)', value: nginxJson, masks: [{ pattern: 'password=\\S+', replacement: '***' }] },
  { name: 'json, mask (match)', value: nginxJson, masks: [{ pattern: '\\d+\\.\\d+\\.\\d+\\.\\d+', replacement: '***' }] },
  { name: 'text', value: text, format: { name: 'text' } },
  { name: 'text, auto', value: text },
  { name: 'xml', value: xml, format: { name: 'xml' } },
  { name: 'influx', value: influx, format: { name: 'influx' } },
  { name: 'influx, auto, 20 lines', value: n => Array.from({ length: 20 }, (_, index) => influx(n + index)).join('\n') },
  { name: 'graphite', value: n => `servers.web${n % 40}.cpu.idle 9${n % 10}.25 1768478400`, format: { name: 'graphite' } },
  {
    name: 'carbon2',
    value: n => `metric=cpu field=idle host=web${n % 40}  9${n % 10}.25 1768478400`,
    format: { name: 'carbon2' },
  },
  {
    name: 'collectd',
    value: n => `PUTVAL web${n % 40}/cpu-0/cpu-idle interval=10.000 1768478400.123:9${n % 10}.5`,
    format: { name: 'collectd' },
  },
  {
    name: 'logfmt',
    value: n => `time=${time} level=info msg="order ${n} is taken" user=${n % 77} took=0.0${n}`,
    format: { name: 'logfmt' },
  },
  {
    name: 'csv',
    value: n => `${time},info,"order ${n}, taken",${n % 77}`,
    format: { name: 'csv', columns: ['time', 'level', 'msg', 'user'] },
  },
  { name: 'nginx', value: access, format: { name: 'nginx' } },
  { name: 'syslog', value: n => `<34>1 ${time} web${n % 40} shop 42 - - order ${n} is taken`, format: { name: 'syslog' } },
  {
    name: 'regex',
    value: text,
    format: { name: 'regex', pattern: '^(?P<time>\\S+) (?P<level>[A-Z]+) \\[(?P<thread>[^\\]]+)\\] (?P<rest>.*)$' },
  },
]

const rows = cases.map(measure)
if (values.json) for (const row of rows) console.log(JSON.stringify(row))
else
  console.table(
    Object.fromEntries(
      rows.map(({ name, bytesPerLog, nsPerLog, cpuSecondsPerGB }) => [
        name,
        {
          'bytes per log': Math.round(bytesPerLog),
          'ns per log': Math.round(nsPerLog),
          'CPU s/GB': Number(cpuSecondsPerGB.toFixed(1)),
        },
      ]),
    ),
  )

function measure({ name, format = { name: 'auto' }, value, masks = [], timestamp = receivedMs }: Case) {
  const decoder = new Decoder(format, masks)
  const bytes = Array.from({ length: RECORDS }, (_, n) => Buffer.from(value(n)))
  const entry = entryOf(bytes, timestamp)
  const round = (): number => {
    const block = new RowBlock()
    for (const row of rowsOf(entry, -1, decoder)) block.append(row)
    return block.rows
  }
  // Compiled and warm, before it counts.
  const warm = performance.now()
  while (performance.now() - warm < 300) round()
  const start = process.cpuUsage()
  let logs = 0
  let gigabytes = 0
  let seconds = 0
  while (seconds < Number(values.seconds)) {
    logs += round()
    gigabytes += bytes.reduce((sum, { length }) => sum + length, 0) / 1e9
    const { user, system } = process.cpuUsage(start)
    seconds = (user + system) / 1e6
  }
  return { name, bytesPerLog: (gigabytes * 1e9) / logs, nsPerLog: (seconds * 1e9) / logs, cpuSecondsPerGB: seconds / gigabytes }
}

function entryOf(logs: Buffer[], timestamp: number): DecodedEntry {
  const batch = buildBatch({ records: logs.map(value => ({ timestamp, key: null, value })), codec: Codec.NONE })
  const records = Chunks.of(batch)
  const origin = { source: '10.0.0.1', clientId: 'bench', accessKeyId: 'bench', receivedMs }
  const place = { logstoreId: randomUUID(), shard: 0, partition: 0, jsonTopic: false, number: 1, baseOffset: 0 }
  return { ...place, ...origin, recordCount: logs.length, records, batches: [readBatchHeader(records, 0)] }
}
