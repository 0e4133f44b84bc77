/** What real agents have sent (test/fixtures/captures), and what their documentation shows, in the format auto. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ApiKey } from '../../../protocol/api-keys.ts'
import { Chunks } from '../../../protocol/chunks.ts'
import { decodeRequestHeader } from '../../../protocol/headers.ts'
import { produceRequest } from '../../../protocol/messages/produce.ts'
import { Reader } from '../../../protocol/reader.ts'
import { BATCH_HEADER_BYTES } from '../../../protocol/records/batch.ts'
import { checkBatches } from '../../../protocol/records/check-batches.ts'
import { decompress } from '../../../protocol/records/compression.ts'
import { readRecords, type KafkaRecord } from '../../../protocol/records/records.ts'
import { Decoder } from '../../../src/decoding/decoder.ts'
import { contents, decode } from './fixtures.ts'

const directory = join('test', 'fixtures', 'captures')

/** Requests that no Kafka can read are recorded too; they are of one client. */
const unreadable = new Set(['apisix-produce-v0'])

const captures = readdirSync(directory)
  .map(file => file.replace('.jsonl', ''))
  .filter(name => !unreadable.has(name))
  .map(name => ({ name, records: readCapture(name) }))
  .filter(({ records }) => records.length > 0)

describe('what agents send', () => {
  it('is found', () => assert(captures.length > 40))

  for (const { name, records } of captures)
    it(`is a log for each JSON object: ${name}`, () => {
      const decoder = new Decoder({ name: 'auto' }, [])
      for (const record of records) {
        const receivedMs = record.timestamp < 0 ? Date.now() : record.timestamp
        const logs = decoder.decode(record, receivedMs, false)
        const document: unknown = JSON.parse(record.value!.toString())
        const documents: unknown[] = Array.isArray(document) ? document : [document]
        assert.deepEqual(
          logs.map(({ content, fields, timeMs, tags }) => [JSON.parse(content!.toString()), fields, timeMs, tags]),
          documents.map(log => [log, '', receivedMs, []]),
        )
      }
    })

  it('is an array where Kong and APISIX batch', () => {
    const arrays = captures.filter(({ records }) => records.some(({ value }) => value![0] === 0x5b)).map(({ name }) => name)
    assert(arrays.includes('kong-batch') && arrays.includes('apisix'), arrays.join())
  })

  it('is told by the first bytes where it is no JSON, as documented by Telegraf, collectd and Logstash', () => {
    const names = (value: string): unknown[] =>
      decode('auto', value).map(({ fields }) => Object.keys(JSON.parse(fields || '{}') as object).join())
    const telegraf = [
      'mem,host=host.local available_percent=35.98,used=10965454848i 1704067200000000000',
      'system,host=host.local load1=0.5,uptime_format="15 days,  1:23" 1704067200000000000',
    ]
    assert.deepEqual(names(`${telegraf.join('\n')}\n`), Array(2).fill('name,tags,fields,timestamp'))
    assert.deepEqual(names('metric=cpu field=cpu_usage_idle host=foo  0.1 1459419974\n'), ['tags,meta,value,timestamp'])
    assert.deepEqual(names('testhost.cpu0.cpu_idle 98.09 1455320660\n'), ['name,tags,value,timestamp'])
    const collectd = 'PUTVAL leeloo.octo.it/df-root/df_complex-free interval=10.000 1704067200.123:1234567890'
    assert.deepEqual(names(`${collectd}\r\n`), ['host,plugin,plugin_instance,type,type_instance,interval,time,values'])
    const json =
      '[{"values":[1901474177],"dstypes":["derive"],"dsnames":["value"],"time":1280959128,"interval":10,"host":"leeloo.octo.it",' +
      '"plugin":"cpu","plugin_instance":"0","type":"cpu","type_instance":"idle"}]'
    assert.deepEqual(contents(decode('auto', json)), [json.slice(1, -1)])
    assert.deepEqual(contents(decode('auto', '2026-01-15T12:00:00.000Z host a line of Logstash')), ['2026-01-15T12:00:00.000Z host a line of Logstash']) // prettier-ignore
  })
})

function readCapture(name: string): KafkaRecord[] {
  const lines = readFileSync(join(directory, `${name}.jsonl`), 'utf8')
    .trim()
    .split('\n')
  const events = lines.map(line => JSON.parse(line) as { dir: string; apiKey: number | null; hex: string })
  return events
    .filter(({ dir, apiKey }) => dir === 'request' && apiKey === ApiKey.Produce)
    .flatMap(({ hex }) => readProduced(hex))
}

function readProduced(hex: string): KafkaRecord[] {
  const bytes = Buffer.from(hex, 'hex')
  // Version 11 is like 10.
  if (bytes.readInt16BE(2) === 11) bytes.writeInt16BE(10, 2)
  const reader = new Reader(bytes)
  const { apiVersion } = decodeRequestHeader(reader)
  const partitions = produceRequest.decode(reader, apiVersion).topicData.flatMap(({ partitionData }) => partitionData)
  return partitions.flatMap(({ records }) => {
    const checked = checkBatches(records === null ? null : Chunks.of(records.toBuffer()))
    assert('batches' in checked)
    return checked.batches.flatMap(batch => {
      const payload = checked.records.view(batch.position, batch.sizeInBytes).subarray(BATCH_HEADER_BYTES)
      return [...readRecords(batch, decompress(batch.codec, payload, 2 ** 20))]
    })
  })
}
