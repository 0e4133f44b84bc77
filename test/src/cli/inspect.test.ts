import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { encodeRequest } from '../../../protocol/headers.ts'
import { metadataRequest } from '../../../protocol/messages/metadata.ts'
import { produceRequest } from '../../../protocol/messages/produce.ts'
import { buildBatch, type RecordInput } from '../../../protocol/records/build-batch.ts'
import { inspect } from '../../../src/cli/inspect.ts'
import { makeDirectory, removeDirectory } from '../../support/server.ts'

const captures = join('test', 'fixtures', 'captures')

/** What sluice does not speak: Kafka 3.9 negotiates Produce 11, and APISIX leaves a field out of its header in version 0. */
const UNDECODED =
  /^(?:java-3\.9\.1|logstash).*: Produce (?:request|response), version 11|^apisix-produce-v0: Produce request, version 0/

async function collect(file: string, options: { records?: boolean; json?: boolean } = {}): Promise<string[]> {
  const lines: string[] = []
  for await (const line of inspect(file, { records: false, json: false, ...options })) lines.push(line)
  return lines
}

describe('sluice inspect', () => {
  let directory: string

  before(async () => {
    directory = await makeDirectory()
  })

  after(() => removeDirectory(directory))

  /** A dump of these events, each of connection 1 and a millisecond after the one before. */
  async function writeDump(events: readonly object[], end = ''): Promise<string> {
    const file = join(directory, 'dump.jsonl')
    const lines = events.map((event, index) => `${JSON.stringify({ conn: 1, ms: 100 + index, ...event })}\n`)
    await writeFile(file, lines.join('') + end)
    return file
  }

  const requestOf = (apiKey: number, apiVersion: number, frame: Buffer) => ({
    dir: 'request',
    apiKey,
    apiVersion,
    correlationId: 7,
    hex: frame.subarray(4).toString('hex'),
  })

  const produce = (records: Buffer, acks = 1) =>
    requestOf(
      0,
      9,
      encodeRequest(produceRequest, 9, 7, 'tester', {
        transactionalId: null,
        acks,
        timeoutMs: 1000,
        topicData: [{ name: 'nginx', partitionData: [{ index: 0, records }] }],
      }),
    )

  const printedValue = async (record: RecordInput) => {
    const lines = await collect(await writeDump([produce(buildBatch({ records: [record] }))]), { records: true })
    return lines.slice(lines.findIndex(line => line.includes('format 2')) + 1).map(line => line.trim())
  }

  for (const name of readdirSync(captures))
    it(`explains every line of ${name}`, async () => {
      const file = join(captures, name)
      const events = readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .map(line => JSON.parse(line) as { dir: string; apiKey: number | null })
      for (const records of [false, true]) {
        const lines = await collect(file, { records })
        const titles = lines.filter(line => line.startsWith('#'))
        assert.equal(titles.length, events.length)
        for (const [index, { dir, apiKey }] of events.entries()) {
          const expected = { request: '→', response: '←', open: 'connected', close: 'closed by' }[dir]!
          assert(titles[index]!.split('  ').at(-1)!.startsWith(expected), titles[index])
          if (apiKey !== null && dir === 'response') assert.match(titles[index]!, /\d+ ms after its request$/)
        }
        let title = ''
        for (const line of lines) {
          title = line.startsWith('#') ? line.replace(/^.*[→←] /, '') : title
          if (/not decod|not readable|checksum wrong|cut|too few/.test(line))
            assert.match(`${name.replace('.jsonl', '')}: ${title}`, UNDECODED, line)
        }
        assert(!lines.join('\n').includes('demosecret') && !lines.join('\n').includes('64656d6f736563726574'))
      }
      const objects = (await collect(file, { records: true, json: true })).map(line => JSON.parse(line) as { dir: string })
      assert.deepEqual(
        objects.map(({ dir }) => dir),
        events.map(({ dir }) => dir),
      )
    })

  it('prints what was said, when, and what belongs together', async () => {
    const lines = await collect(join(captures, 'kcat-gzip.jsonl'), { records: true })
    const from = lines.findIndex(line => line.includes('→ Produce'))
    assert.deepEqual(
      lines.slice(from, from + 9).map(line => line.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')),
      [
        '#1   +0.009 s  → Produce request, version 7, correlation id 5, client "rdkafka"',
        '      transactionalId: null',
        '      acks: 1',
        '      timeoutMs: 30000',
        '      topicData[0].name: "demo-logs"',
        '      topicData[0].partitionData[0].index: 0',
        '      topicData[0].partitionData[0].records: 138 bytes',
        '        format 2, 138 bytes, base offset 0, 1 records, not compressed, checksum good, no producer id, TIME',
        '          TIME: {"n":2,"level":"info","service":"checkout","msg":"order 2 accepted"}',
      ],
    )
  })

  it('says which requests have no answer, but not of those that want none', async () => {
    const records = buildBatch({ records: [{ value: 'x' }] })
    const close = { dir: 'close', by: 'broker', error: 'it was idle' }
    const lines = await collect(await writeDump([produce(records, 0), produce(records), close]))
    assert(lines[0]!.endsWith('client "tester" (no answer: acks = 0)'))
    assert.deepEqual(lines.slice(-2), [
      '#1   +0.002 s  closed by the broker: it was idle',
      '      no answer: Produce, correlation id 7 (line 2)',
    ])
  })

  it('shows a wrong checksum, the producer and every batch', async () => {
    const good = buildBatch({
      records: [{ value: 'a', timestamp: 0 }],
      codec: 1,
      producerId: 5,
      producerEpoch: 1,
      baseSequence: 9,
    })
    const bad = Buffer.from(good)
    bad[bad.length - 1]! ^= 1
    const lines = await collect(await writeDump([produce(Buffer.concat([good, bad, Buffer.alloc(5)]))]))
    const { length } = good
    const start = `        format 2, ${length} bytes, base offset 0, 1 records, gzip, checksum`
    const end = 'producer 5 epoch 1 sequence 9, 1970-01-01T00:00:00.000Z'
    assert.deepEqual(lines.slice(-3), [
      `${start} good, ${end}`,
      `${start} wrong, ${end}`,
      '        the last 5 bytes are too few for a batch',
    ])
  })

  it('prints nothing of a log or a name that a terminal would obey', async () => {
    const hostile = '\x1b[2J\x9b31m\u202egpj.exe\u2028\r\n\0\x07\ud800'
    const lines = await printedValue({ value: hostile, key: hostile, headers: [{ key: hostile, value: hostile }] })
    const escaped = '\\u001b[2J\\u009b31m\\u202egpj.exe\\u2028\\u000d\\u000a\\u0000\\u0007\ufffd'
    assert.deepEqual(lines, [`no time, key ${escaped}: ${escaped}`, `header ${escaped}: ${escaped}`])
    const frame = encodeRequest(metadataRequest, 1, 7, hostile, { topics: [{ name: hostile }] })
    const file = await writeDump([
      { dir: 'open', tls: hostile, cipher: hostile, servername: hostile, resumed: false, peer: hostile, time: hostile },
      requestOf(3, 1, frame),
      produce(buildBatch({ records: [{ value: hostile, headers: [{ key: hostile, value: hostile }] }] })),
      { dir: 'close', by: hostile, error: hostile },
    ])
    for (const json of [false, true])
      for (const line of await collect(file, { records: true, json }))
        assert.doesNotMatch(line, /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
  })

  it('prints the beginning of a long value, and bytes that are no text in hexadecimal digits', async () => {
    assert.deepEqual(await printedValue({ value: 'ä'.repeat(501) }), [`no time: ${'ä'.repeat(500)} … (1002 bytes)`])
    assert.deepEqual(await printedValue({ value: 'ä'.repeat(500) }), [`no time: ${'ä'.repeat(500)}`])
    assert.deepEqual(await printedValue({ value: Buffer.from([0xff, 0]) }), ['no time: hex ff00'])
    assert.deepEqual(await printedValue({ value: Buffer.alloc(300, 0xff) }), [`no time: hex ${'ff'.repeat(250)} … (300 bytes)`])
    assert.deepEqual(await printedValue({ value: null, key: '' }), ['no time, key : null'])
  })

  it('prints no more records of a batch than a person can read', async () => {
    const records = Array.from({ length: 1003 }, (_, index) => ({ value: `log ${index}` }))
    const lines = await collect(await writeDump([produce(buildBatch({ records, codec: 1 }))]), { records: true })
    assert.deepEqual(
      lines.slice(-2).map(line => line.trim()),
      ['no time: log 999', '3 more are not shown'],
    )
  })

  it('shows what there is of a frame that is cut, and does not call its checksum wrong', async () => {
    const whole = produce(buildBatch({ records: [{ value: 'x'.repeat(1000) }] }))
    const cut = { ...whole, hex: whole.hex.slice(0, 600), bytes: whole.hex.length / 2 }
    const lines = await collect(await writeDump([cut]), { records: true })
    assert(lines.some(line => /format 2, \d+ bytes, .* checksum not known/.test(line)))
    assert.equal(lines.at(-1), `      300 of its ${cut.bytes} bytes are recorded, the rest is shown as zeros`)
  })

  it('says what was not recorded', async () => {
    const nobody = { dir: 'request', apiKey: null, apiVersion: null, correlationId: null }
    const events = [
      { ...nobody, hex: null, bytes: 30 },
      { ...nobody, apiKey: 36, hex: null },
      { ...nobody, hex: '28736563726574' },
      { dir: 'lost', frames: 4 },
    ]
    assert.deepEqual(
      (await collect(await writeDump(events))).map(line => line.replace(/^#1 .{10} {2}/, '')),
      [
        '→ request that cannot be decoded',
        '      30 bytes, not recorded: it may hold a secret',
        '→ SaslAuthenticate request that cannot be decoded',
        '      not recorded: it may hold a secret',
        '→ SASL token',
        '4 frames are missing, the disk was too slow',
      ],
    )
  })

  it('names the line that is none of a dump', async () => {
    const good = { dir: 'close', by: 'client', error: null }
    const rejects = async (events: readonly object[], end: string, says: RegExp) => {
      const file = await writeDump(events, end)
      await assert.rejects(
        collect(file),
        (error: Error) => error.message.startsWith(`${file}, line `) && says.test(error.message),
      )
    }
    await rejects([], '', /line 1: the file is empty$/)
    await rejects([good], '{"conn":1,"ms":3,"di', /line 2: it is not JSON, or it is cut$/)
    await rejects([good, { ...good, dir: 'clothes' }], '', /line 2: it is no event of a dump: dir: /)
    await rejects([{ ...good, by: 7 }], '', /line 1: it is no event of a dump: by: /)
    await rejects([{ ...produce(Buffer.alloc(1)), hex: '0g' }], '', /line 1: .*hex: it is not hexadecimal$/)
    await rejects([{ ...produce(Buffer.alloc(1)), hex: '0' }], '', /line 1: .*hex: it is not hexadecimal$/)
    await assert.rejects(collect(join(directory, 'missing')), /missing cannot be read: ENOENT/)
    await assert.rejects(collect(directory), /is a directory/)
  })
})
