/**
 * OTLP logs. The requests in the fixture were encoded by the Python library that OpenTelemetry publishes (opentelemetry-proto 1.45.2,
 * protobuf 7.36.2), and their JSON is what that library makes of the same bytes.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Decoder } from '../../../src/decoding/decoder.ts'
import { otlpJsonOf } from '../../../src/decoding/otlp-protobuf.ts'
import { contents, decode, recordOf, RECEIVED_MS } from './fixtures.ts'

interface Request {
  resourceLogs?: { resource?: object; scopeLogs?: { scope?: object; logRecords?: object[] }[] }[]
}

const cases = (
  JSON.parse(readFileSync('test/fixtures/otlp/requests.json', 'utf8')) as { name: string; hex: string; json: Request }[]
).map(({ name, hex, json }) => ({ name, bytes: Buffer.from(hex, 'hex'), json }))

function recordsOf({ resourceLogs = [] }: Request): object[] {
  return resourceLogs.flatMap(({ scopeLogs = [] }) => scopeLogs.flatMap(({ logRecords = [] }) => logRecords))
}

function findCase(wanted: string): { bytes: Buffer; json: Request } {
  return cases.find(({ name }) => name === wanted)!
}

function documents(format: 'otlp-json' | 'otlp-protobuf', value: Buffer | string): Record<string, unknown>[] {
  return decode(format, value).map(({ fields }) => JSON.parse(fields) as Record<string, unknown>)
}

/** The bytes of a field: a varint of `number` and its type, and a length before `content`. */
function field(number: number, content: Buffer): Buffer {
  return Buffer.concat([varint(number * 8 + 2), varint(content.length), content])
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest])
    bytes.push((rest % 128) | 128)
  }
}

/** A request of one record with these bytes. */
function requestOf(...records: Buffer[]): Buffer {
  return field(1, field(2, Buffer.concat(records.map(record => field(2, record)))))
}

const body = (json: string): string => `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":${json}}]}]}]}`

describe('OTLP as protobuf', () => {
  for (const { name, bytes, json } of cases) {
    it(`is the JSON that protobuf's own library makes of it: ${name}`, () => {
      assert.deepEqual(JSON.parse(otlpJsonOf(bytes)!.toString()), json)
    })

    it(`is a log for each record, which is its JSON: ${name}`, () => {
      for (const logs of [decode('otlp-protobuf', bytes), decode('otlp-json', JSON.stringify(json))]) {
        const records = contents(logs).map(content => JSON.parse(Buffer.from(content, 'latin1').toString()) as object)
        // JSON.stringify has no -0.
        assert.deepEqual(JSON.parse(JSON.stringify(records)), JSON.parse(JSON.stringify(recordsOf(json))))
        assert(logs.every(({ tags }) => !tags.includes('not-otlp-protobuf') && !tags.includes('not-otlp-json')))
      }
    })

    it(`has the fields of the same request in JSON: ${name}`, () => {
      const fields = (logs: { fields: string }[]) => logs.map(log => log.fields)
      assert.deepEqual(fields(decode('otlp-protobuf', bytes)), fields(decode('otlp-json', otlpJsonOf(bytes)!)))
    })

    it(`is never read beyond a cut: ${name}`, () => {
      for (let length = 1; length < Math.min(bytes.length, 1000); length++) {
        const [log, ...others] = decode('otlp-protobuf', bytes.subarray(0, length))
        // A cut between two groups leaves a whole request.
        if (otlpJsonOf(bytes.subarray(0, length)) !== undefined) continue
        assert.deepEqual([log!.content, others], [bytes.subarray(0, length), []])
        assert(log!.tags.includes('not-otlp-protobuf'))
      }
    })
  }

  it('that is JSON is read as it is', () => {
    assert.equal(documents('otlp-protobuf', body('{"stringValue":"x"}'))[0]!['body'], 'x')
  })

  for (const [name, bytes] of Object.entries({
    'a length beyond the end': Buffer.from([0x0a, 0x05, 0x00]),
    'a length of 2^63': Buffer.from('0affffffffffffffff7f00', 'hex'),
    'a length of 2^64-1': Buffer.from('0affffffffffffffffff01', 'hex'),
    'a varint that does not end': Buffer.from(`0a${'ff'.repeat(11)}`, 'hex'),
    'a varint that is cut': Buffer.from('0aff', 'hex'),
    'a field without number': Buffer.from('0200', 'hex'),
    'a field number above 2^29': Buffer.from('828080801000', 'hex'),
    'a varint of eleven bytes': requestOf(Buffer.from(`38${'80'.repeat(10)}01`, 'hex')),
    'a group': Buffer.from('0b0c', 'hex'),
    'a type that there is not': Buffer.from('0f', 'hex'),
    'eight bytes that are cut': Buffer.from('0900000000000000', 'hex'),
    'four bytes that are cut': Buffer.from('0d000000', 'hex'),
    'a record that is none': requestOf(Buffer.from([0x0f])),
    text: Buffer.from('it is text'),
    'a JSON array': Buffer.from('[{"a":1}]'),
  }))
    it(`that is ${name} is one log as it came, and tagged`, () => {
      const [log, ...others] = decode('otlp-protobuf', bytes)
      assert.deepEqual([log!.content, log!.fields, others], [bytes, '', []])
      assert(log!.tags.includes('not-otlp-protobuf'))
    })

  it('of no records is one log', () => {
    for (const bytes of [field(1, Buffer.alloc(0)), field(1, field(2, Buffer.alloc(0)))]) {
      const [log, ...others] = decode('otlp-protobuf', bytes)
      assert.deepEqual([log!.tags, others], [['not-otlp-protobuf'], []])
    }
    assert.deepEqual(decode('otlp-protobuf', '')[0]!.tags, [])
  })

  it('leaves out what has its default, and passes over a field that has another type', () => {
    const json = (scope: Buffer, record: Buffer) =>
      otlpJsonOf(field(1, field(2, Buffer.concat([field(1, scope), field(2, record)]))))!.toString()
    const of = (scope: string, record: string) => `{"resourceLogs":[{"scopeLogs":[{"scope":${scope},"logRecords":[${record}]}]}]}`
    assert.equal(json(Buffer.from([0x20, 5]), Buffer.from([0x38, 3])), of('{"droppedAttributesCount":5}', '{"droppedAttributesCount":3}')) // prettier-ignore
    assert.equal(json(Buffer.from([0x20, 0]), Buffer.from([0x38, 0, 0x1a, 0])), of('{}', '{}'))
    // Of a varint 64 bits count.
    const zero = field(5, Buffer.from(`10${'80'.repeat(9)}02`, 'hex'))
    assert.equal(json(Buffer.alloc(0), zero), of('{}', '{"body":{"boolValue":false}}'))
    // Attributes and a body that are numbers, a severity that is text.
    assert.equal(json(Buffer.from([0x18, 1]), Buffer.from([0x30, 1, 0x28, 1, 0x12, 1, 0x61])), of('{}', '{}'))
  })

  it('with text that is no UTF-8 keeps its bytes, and says so', () => {
    const text = Buffer.from([0x61, 0xff, 0x22, 0x0a])
    const [log] = decode('otlp-protobuf', requestOf(field(5, field(1, text))))
    assert.deepEqual(contents([log!]), ['{"body":{"stringValue":"a\xff\\"\\n"}}'])
    assert.deepEqual([JSON.parse(log!.fields), log!.tags], [{ resource: {}, scope: {}, body: 'a\ufffd"\n' }, ['invalid-utf8']])
  })

  it('of any depth is read in bounds', () => {
    for (const levels of [10, 100, 1000, 100_000]) {
      let value = field(1, Buffer.from('deep'))
      // From the inside out, at the cost of what is added only.
      const prefixes: Buffer[] = []
      let length = value.length
      for (let level = 0; level < levels; level++)
        for (const number of [1, 5]) {
          const prefix = Buffer.concat([varint(number * 8 + 2), varint(length)])
          prefixes.push(prefix)
          length += prefix.length
        }
      value = Buffer.concat([...prefixes.reverse(), value])
      const bytes = requestOf(field(5, value))
      const [log] = decode('otlp-protobuf', bytes)
      assert.equal(log!.fields === '', levels > 10)
      if (levels > 10) assert.deepEqual(log!.content, bytes)
    }
  })

  it('is read in a time that grows with its length and no more', function () {
    this.timeout(60_000)
    const many = (piece: Buffer): Buffer => Buffer.alloc(2 ** 19, piece)
    for (const bytes of [
      many(Buffer.from([0x0a, 0])),
      field(1, many(Buffer.from([0x0a, 0]))),
      field(1, many(Buffer.from([0x12, 0]))),
      field(1, field(2, many(Buffer.from([0x12, 0])))),
      requestOf(many(Buffer.from([0x32, 0]))),
      requestOf(many(Buffer.from([0x2a, 0]))),
      requestOf(many(Buffer.from([0x38, 1]))),
      requestOf(field(5, field(5, many(Buffer.from([0x0a, 0]))))),
      requestOf(field(5, Buffer.concat([Buffer.from([0x2a, 0]), many(Buffer.from([0x2a, 2, 0x0a, 0]))]))),
    ])
      assert.notEqual(decode('otlp-protobuf', bytes).length, 0)
  })

  it('of too many fields stays what it is', () => {
    for (const [fields, isRead] of [
      [2 ** 20, true],
      [2 ** 21, false],
    ] as const) {
      // prettier-ignore
      const bytes = requestOf(Buffer.alloc(2 * fields, Buffer.from([0x38, 1])))
      const [log] = decode('otlp-protobuf', bytes)
      assert.equal(log!.fields !== '', isRead)
    }
  })

  it('that would become too much JSON stays what it is', () => {
    const count = Buffer.from([0x12, 2, 0x38, 1])
    const bytes = field(1, field(2, Buffer.alloc(4 * 2 ** 20, count)))
    const [log, ...others] = decode('otlp-protobuf', bytes)
    assert.deepEqual([log!.content === null ? 0 : log!.content.length, others.length], [bytes.length, 0])
  })

  it('is masked as the JSON that it becomes', () => {
    const masks = [
      { pattern: '("password","value":\\{"stringValue":")[^"]*', replacement: '$1***' },
      { pattern: 'order', replacement: 'something longer' },
    ]
    const password = Buffer.concat([field(1, Buffer.from('password')), field(2, field(1, Buffer.from('hunter2')))])
    const record = Buffer.concat([field(5, field(1, Buffer.from('an order'))), field(6, password)])
    const decoder = new Decoder({ name: 'otlp-protobuf' }, masks)
    const masked = decoder.masker!.mask(decoder.unpack(recordOf(requestOf(record)))).record
    const [log] = decoder.decode(masked, RECEIVED_MS, false)
    const document = JSON.parse(log!.fields) as { body: string; attributes: object }
    assert.deepEqual([document.body, document.attributes], ['an something longer', { password: '***' }])
  })
})

describe('OTLP as JSON', () => {
  it('has what its records share, and lists of keys and values as objects', () => {
    const { bytes } = findCase('a usual request')
    const resource = {
      attributes: { 'service.name': 'shop', 'host.name': 'web1', 'process.pid': 4711 },
      schemaUrl: 'https://opentelemetry.io/schemas/1.24.0',
    }
    const scope = { name: 'checkout', version: '1.2.0', attributes: { team: 'a' } }
    assert.deepEqual(documents('otlp-protobuf', bytes), [
      {
        resource,
        scope,
        timeUnixNano: '1768478400123456789',
        observedTimeUnixNano: '1768478401123456789',
        severityNumber: 9,
        severityText: 'INFO',
        body: 'order "7" is paid\n',
        attributes: { 'http.response.status_code': 200, took: 0.25, cached: true },
        flags: 1,
        traceId: '000102030405060708090a0b0c0d0e0f',
        spanId: '0001020304050607',
        eventName: 'order.paid',
      },
      {
        resource,
        scope,
        observedTimeUnixNano: '1768478402123456789',
        severityNumber: 17,
        severityText: 'ERROR',
        body: { reason: 'no room', items: [1, 'two', null, { a: 1.5 }] },
      },
      { resource, scope: { schemaUrl: 'https://example.com/scope' }, body: 'from another scope', droppedAttributesCount: 3 },
      { resource: {}, scope: {}, timeUnixNano: '1768478400123456789', body: 'no resource' },
    ])
  })

  it('has values digit for digit', () => {
    const values: [string, string][] = [
      ['{"intValue":"9223372036854775807"}', '9223372036854775807'],
      ['{"intValue":"-9223372036854775808"}', '-9223372036854775808'],
      ['{"intValue":9007199254740993}', '9007199254740993'],
      ['{"intValue":"99999999999999999999"}', '"99999999999999999999"'],
      ['{"intValue":"012"}', '"012"'],
      ['{"intValue":""}', '""'],
      ['{"doubleValue":1.10}', '1.10'],
      ['{"doubleValue":"NaN"}', 'null'],
      ['{"doubleValue":"-Infinity"}', 'null'],
      ['{"doubleValue":"1e400"}', 'null'],
      ['{"boolValue":true}', 'true'],
      ['{"stringValue":"\\u00e4\\ud83d\\ude00\\/"}', '"\\u00e4\\ud83d\\ude00\\/"'],
      ['{"bytesValue":"AAE="}', '"AAE="'],
      ['{"arrayValue":{}}', '[]'],
      ['{"arrayValue":{"values":[ ]}}', '[]'],
      ['{"arrayValue":{"values":[{"intValue":"1"}, {} ,{"arrayValue":{"values":null}}]}}', '[1,null,[]]'],
      ['{"kvlistValue":{"values":[]}}', '{}'],
      ['{"kvlistValue":{"values":[{"key":"__proto__","value":{"intValue":"1"}},{"key":"a"},{"key":"a","value":null}]}}', '{"__proto__":1,"a":null,"a":null}'], // prettier-ignore
      ['{ "stringValue" : "]}\\"" }', '"]}\\""'],
      ['{}', 'null'],
      ['null', 'null'],
      ['"plain text"', '"plain text"'],
      ['{"newValue":[1,{"a":2}]}', '[1,{"a":2}]'],
    ]
    for (const [value, expected] of values) {
      const [log] = decode('otlp-json', body(value))
      assert.equal(log!.fields, `{"resource":{},"scope":{},"body":${expected}}`)
      assert.deepEqual(contents([log!]), [`{"body":${value}}`])
    }
  })

  it('is the very bytes of each record', () => {
    const records = ['{ "body" : {"stringValue":"a,]}"} ,"new":[ 1 ] }', '{}']
    const value = ` {"resourceLogs" : [ {"other":{"a":1},"scopeLogs":[{"logRecords":[${records.join(' ,\n')}]}, {}],"schemaUrl":""} ] }\n`
    const logs = decode('otlp-json', value)
    assert.deepEqual(contents(logs), records)
    assert.deepEqual(logs.map(({ fields }) => fields), [
      '{"resource":{"other":{"a":1}},"scope":{},"body":"a,]}","new":[ 1 ]}',
      '{"resource":{"other":{"a":1}},"scope":{}}',
    ]) // prettier-ignore
  })

  for (const value of [
    '{"resourceLogs":[]}',
    '{"resourceLogs":[{"scopeLogs":[{"logRecords":[]}]}]}',
    '{"resourceLogs":{}}',
    '{"resourceLogs":[{"scopeLogs":[{"logRecords":[1]}]}]}',
    '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}],"resourceSpans":[]}',
    '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]} x',
    '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]',
    '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"a":1]}]}]}]}',
    '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}{}',
    '{"resourceLogs":[{"scopeLogs":[{"scope":1,"logRecords":[{}]}]}]}',
    '{"resourceSpans":[]}',
    '{"a":1}',
    'text',
    '{',
    '[]',
  ])
    it(`that it is not stays one log: ${value}`, () => {
      assert.deepEqual(contents(decode('otlp-json', value)), [value])
      assert.deepEqual(decode('otlp-json', value)[0]!.tags, ['not-otlp-json'])
      assert.deepEqual(contents(decode('auto', value)).length, 1)
      assert.deepEqual(decode('auto', value)[0]!.tags, [])
    })

  it('has a record that is odd without fields, and the others with theirs', () => {
    const deep = '{"arrayValue":{"values":['.repeat(50) + '{"intValue":"1"}' + ']}}'.repeat(50)
    const deepPairs = '{"kvlistValue":{"values":[{"key":"a","value":'.repeat(50) + '{}' + '}]}}'.repeat(50)
    for (const odd of [
      `{"body":${deep}}`,
      `{"body":${deepPairs}}`,
      '{"body":{"arrayValue":{"values":[1]}}}',
      '{"attributes":[1]}',
      '{"attributes":[{"key":1}]}',
    ]) {
      const logs = decode('otlp-json', `{"resourceLogs":[{"scopeLogs":[{"logRecords":[${odd},{"body":{"stringValue":"x"}}]}]}]}`)
      assert.deepEqual(logs.map(({ fields, tags }) => [fields === '', tags]), [[true, ['not-otlp-json']], [false, []]]) // prettier-ignore
    }
  })

  it('has a record of more than two MiB without fields', () => {
    const logs = decode('otlp-json', body(`{"stringValue":"${'x'.repeat(2 ** 21)}"}`))
    assert.deepEqual(logs.map(({ fields, tags }) => [fields, tags]), [['', ['not-otlp-json']]]) // prettier-ignore
  })

  it('is told by the format auto, unless JSON is asked for', () => {
    const value = ' { "resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"a"}},{}]}]}]}'
    assert.deepEqual(decode('auto', value), decode('otlp-json', value))
    assert.equal(decode('auto', value).length, 2)
    assert.deepEqual(contents(decode('auto', value, { isJson: true })), [value])
    assert.deepEqual(contents(decode('json', value)), [value])
  })

  it('stays one log if it would take too much memory', () => {
    const request = (resource: string, count: number): string =>
      `{"resourceLogs":[{"resource":{"a":"${resource}"},"scopeLogs":[{"logRecords":[${Array(count).fill('{}').join(',')}]}]}]}`
    assert.equal(decode('otlp-json', request('', 50_000)).length, 50_000)
    for (const format of ['otlp-json', 'auto'] as const) {
      assert.deepEqual(decode(format, request('', 50_001))[0]!.tags, ['not-divided'])
      assert.deepEqual(decode(format, request('x'.repeat(100_000), 1000))[0]!.tags, ['not-divided'])
    }
  })

  it('has the time of its record, which goes before that of the request', () => {
    const at = (time: string, options = {}): [number, readonly string[]] => {
      const [log] = decode('otlp-json', `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{${time}}]}]}]}`, options)
      return [log!.timeMs, log!.tags]
    }
    const ms = RECEIVED_MS - 60_000
    assert.deepEqual(at(`"timeUnixNano":"${ms}999999","observedTimeUnixNano":"1"`), [ms, []])
    assert.deepEqual(at(`"timeUnixNano":${ms}000000`), [ms, []])
    assert.deepEqual(at(`"timeUnixNano":"0","observedTimeUnixNano":"${ms}000000"`), [ms, []])
    assert.deepEqual(at(`"observedTimeUnixNano":"${ms}000000"`), [ms, []])
    assert.deepEqual(at('"timeUnixNano":"0"'), [RECEIVED_MS, []])
    assert.deepEqual(at('"timeUnixNano":"soon"', { record: { timestamp: ms } }), [ms, []])
    assert.deepEqual(at('"timeUnixNano":"18446744073709551615"'), [18446744073709, ['out-of-range']])
    const format = { name: 'otlp-json' as const, timeField: ['attributes', 'at'] }
    const named = decode(format, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"${ms}000000","attributes":[{"key":"at","value":{"intValue":"${ms - 1}"}}]}]}]}]}`) // prettier-ignore
    assert.equal(named[0]!.timeMs, ms - 1)
  })
})
