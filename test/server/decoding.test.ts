/** Formats and masks of a whole server: set with commands, and in effect for the next log. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { openProducer } from '../support/producer.ts'
import { Server } from '../support/server.ts'

interface StoredLog {
  content: string
  fields: string
  tags: string[]
  index: number
}

describe('logs of a running server', () => {
  let server: Server
  let password: string

  before(async () => {
    server = await Server.start()
    await server.control('POST', '/v1/projects', { name: 'demo' })
    password = await server.createKey('demo')
  })

  after(() => server?.remove())

  async function send(topic: string, values: (string | Buffer)[], headers = {}): Promise<void> {
    const producer = await openProducer(server, { project: 'demo', password })
    await producer.send({ topic, messages: values.map(value => ({ value, headers, partition: 0 })) })
    await producer.disconnect()
  }

  async function stored(logstore: string, rows: number): Promise<StoredLog[]> {
    await server.waitForRows(logstore, rows)
    const sql =
      'SELECT content, _fields AS fields, _tags AS tags, toInt32(_index) AS index FROM log ORDER BY _entry, _offset, _index'
    return server.query(logstore, sql)
  }

  it('are read in the format of their logstore, from the next log on after it has changed', async () => {
    await server.run('logstore', 'create', 'demo/lines', '--shards', '1', '--format', 'csv', '--columns', 'id,name')
    await send('lines', ['1,one\n2,two'])
    await server.waitForRows('demo/lines', 2)
    await server.run('logstore', 'update', 'demo/lines', '--format', 'logfmt')
    await send('lines', ['a=1 b=x'])
    assert.deepEqual(await stored('demo/lines', 3), [
      { content: '1,one', fields: '{"id":1,"name":"one"}', tags: [], index: 0 },
      { content: '2,two', fields: '{"id":2,"name":"two"}', tags: [], index: 1 },
      { content: 'a=1 b=x', fields: '{"a":1,"b":"x"}', tags: [], index: 0 },
    ])
  })

  it('are those of an OTLP request, as protobuf, as JSON and where nothing is said', async () => {
    const cases = JSON.parse(await readFile('test/fixtures/otlp/requests.json', 'utf8')) as { hex: string; json: object }[]
    const { hex, json } = cases[0]!
    const sent: [string, string, Buffer][] = [
      ['spans', 'otlp-protobuf', Buffer.from(hex, 'hex')],
      ['spans-json', 'otlp-json', Buffer.from(JSON.stringify(json))],
      ['spans-auto', 'auto', Buffer.from(JSON.stringify(json))],
    ]
    for (const [name, format, value] of sent) {
      await server.run('logstore', 'create', `demo/${name}`, '--format', format)
      await send(name, [value])
      await server.waitForRows(`demo/${name}`, 4)
      const sql = `
        SELECT toString(_time) AS time, toUInt32(_index) AS index, _tags AS tags, isValidJSON(content) AS valid,
          JSONExtractString(content, 'body', 'stringValue') AS body,
          JSONExtractString(_document, 'resource', 'attributes', 'service.name') AS service,
          toInt32(JSONExtractInt(_document, 'attributes', 'http.response.status_code')) AS status,
          JSONExtractString(_document, 'body', 'items', 2) AS second,
          JSONExtractString(_document, 'traceId') AS trace
        FROM log ORDER BY _index`
      const rows = await server.query<Record<string, unknown>>(`demo/${name}`, sql)
      const shared = { tags: ['late'], valid: 1, second: '' }
      const trace = '000102030405060708090a0b0c0d0e0f'
      assert.deepEqual(rows.slice(0, 2), [
        {
          time: '2026-01-15 12:00:00.123',
          index: 0,
          ...shared,
          body: 'order "7" is paid\n',
          service: 'shop',
          status: 200,
          trace,
        },
        { time: '2026-01-15 12:00:02.123', index: 1, ...shared, body: '', service: 'shop', status: 0, second: 'two', trace: '' },
      ])
      assert.deepEqual(
        rows.map(row => row['body']),
        ['order "7" is paid\n', '', 'from another scope', 'no resource'],
      )
    }
  })

  it('are JSON where the topic or a header says so', async () => {
    await server.run('logstore', 'create', 'demo/texts', '--shards', '1', '--format', 'text')
    await send('texts', ['[{"a":1},{"a":2}]'])
    await send('texts.json', ['[{"a":3},{"a":4}]'])
    await send('texts', ['[{"a":5}]'], { 'data-parse-format': 'json' })
    const contents = (await stored('demo/texts', 4)).map(({ content }) => content)
    assert.deepEqual(contents, ['[{"a":1},{"a":2}]', '{"a":3}', '{"a":4}', '{"a":5}'])
  })

  it('are masked from the moment on in which a mask is added', async () => {
    await server.run('logstore', 'create', 'demo/secrets', '--shards', '1')
    await send('secrets', ['token=abc1'])
    await server.waitForRows('demo/secrets', 1)
    await server.run('logstore', 'mask', 'add', 'demo/secrets', '(token=)\\w+', '$1###')
    await server.run('logstore', 'mask', 'add', 'demo/secrets', 'abc\\d')
    await send('secrets', ['user=bob token=abc2 id=abc3'])
    await server.waitForRows('demo/secrets', 2)
    assert.equal(
      await server.run('logstore', 'mask', 'list', 'demo/secrets'),
      'number  pattern      replacement\n1       (token=)\\w+  $1###\n2       abc\\d        ***',
    )
    await server.run('logstore', 'mask', 'remove', 'demo/secrets', '1')
    await server.run('logstore', 'mask', 'remove', 'demo/secrets', '1')
    await send('secrets', ['token=abc4'])
    assert.deepEqual(await stored('demo/secrets', 3), [
      { content: 'token=abc1', fields: '', tags: [], index: 0 },
      { content: 'user=bob token=### id=***', fields: '{"user":"bob","token":"###","id":"***"}', tags: ['masked'], index: 0 },
      { content: 'token=abc4', fields: '', tags: [], index: 0 },
    ])
  })

  it('are not touched by settings that cannot be used, and the command says why', async () => {
    await server.createLogstore('demo/refused')
    for (const [args, says] of [
      [['mask', 'add', 'demo/refused', '(?=a)'], /^sluice: the mask "\(\?=a\)" cannot be used: .+\n$/],
      [['mask', 'add', 'demo/refused', 'a', '$1'], /names the group "1", which the pattern does not have/],
      [['mask', 'remove', 'demo/refused', '1'], /has 0 mask\(s\), and none with the number 1/],
      [['update', 'demo/refused', '--format', 'regex'], /^sluice: the format "regex" needs a pattern\n$/],
      [['update', 'demo/refused', '--format', 'regex', '--pattern', '(?P<a>'], /^sluice: the pattern .+ cannot be used/],
    ] as [string[], RegExp][]) {
      const { code, stderr } = await server.cli('logstore', ...args)
      assert.equal(code, 1)
      assert.match(stderr, says)
    }
    const { masks, format } = await server.control<{ masks: unknown; format: unknown }>(
      'GET',
      '/v1/projects/demo/logstores/refused',
    )
    assert.deepEqual([masks, format], [[], { name: 'auto' }])
  })
})
