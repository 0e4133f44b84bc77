/** What is read of values in each format, from lines as agents and their documentation have them. */
import assert from 'node:assert/strict'
import type { LogFormat } from '../../../src/decoding/log-format.ts'
import { contents, decode, read, RECEIVED_MS } from './fixtures.ts'

type Format = LogFormat['name'] | LogFormat

const csv: LogFormat = { name: 'csv', columns: ['id', 'text', 'kind'] }
const regex: LogFormat = { name: 'regex', pattern: String.raw`^(?P<level>[A-Z]+)\s+(?P<took>[\d.]+)ms(?:\s+(?P<user>\w+))?` }

const readings: [Format, string, unknown][] = [
  [
    'influx',
    'cpu,cpu=cpu0,host=web\\ 1 usage_idle=98.2,n=3i,u=18446744073709551615u,ok=true,bad=f,msg="a \\"b\\", c" 1700000000000000001\n',
    {
      name: 'cpu',
      tags: { cpu: 'cpu0', host: 'web 1' },
      fields: { usage_idle: 98.2, n: 3, u: Number('18446744073709551615'), ok: true, bad: false, msg: 'a "b", c' },
      timestamp: Number('1700000000000000001'),
    },
  ],
  ['influx', 'my\\,name field\\=a=1e3', { name: 'my,name', tags: {}, fields: { 'field=a': 1000 } }],
  ['influx', 'm a=.5,b=+1,c=1.,d=-0i', { name: 'm', tags: {}, fields: { a: 0.5, b: 1, c: 1, d: 0 } }],
  ['graphite', 'servers.web1.load 0.5 1700000000\n', { name: 'servers.web1.load', tags: {}, value: 0.5, timestamp: 1700000000 }],
  [
    'graphite',
    'disk.used;datacenter=dc1;rack=a 42 1700000000',
    { name: 'disk.used', tags: { datacenter: 'dc1', rack: 'a' }, value: 42, timestamp: 1700000000 },
  ],
  ['graphite', 'a.b nan -1', { name: 'a.b', tags: {}, value: null }],
  [
    'carbon2',
    'metric=cpu field=usage_idle host=web1  98.2 1700000000',
    { tags: { metric: 'cpu', field: 'usage_idle', host: 'web1' }, meta: {}, value: 98.2, timestamp: 1700000000 },
  ],
  [
    'carbon2',
    'mtype=rate unit=Req/s  agent=statsdaemon rack=a 234 1234567890',
    { tags: { mtype: 'rate', unit: 'Req/s' }, meta: { agent: 'statsdaemon', rack: 'a' }, value: 234, timestamp: 1234567890 },
  ],
  [
    'collectd',
    'PUTVAL testhost/interface-eth0/if_octets-0 interval=10.000 1179574444.123:123:456',
    {
      host: 'testhost',
      plugin: 'interface',
      plugin_instance: 'eth0',
      type: 'if_octets',
      type_instance: '0',
      interval: 10,
      time: 1179574444.123,
      values: [123, 456],
    },
  ],
  [
    'collectd',
    'PUTVAL "my host/load/load" interval=10 meta:x="a" N:0.1:U:nan'.replace(' meta:x="a"', ''),
    { host: 'my host', plugin: 'load', type: 'load', interval: 10, values: [0.1, null, null] },
  ],
  [
    'logfmt',
    'level=info msg="it is \\"done\\"\\n" took=0.250 code=200 version="1.10" id=00123 ok=true cached\n',
    { level: 'info', msg: 'it is "done"\n', took: 0.25, code: 200, version: '1.10', id: '00123', ok: true, cached: true },
  ],
  ['logfmt', 'a= b=""', { a: '', b: '' }],
  [csv, '1,"a ""b"", c\nd",x\r\n', { id: 1, text: 'a "b", c\nd', kind: 'x' }],
  [csv, '1,,"2",more', { id: 1, text: '', kind: '2', column4: 'more' }],
  [csv, '1', { id: 1 }],
  [regex, 'WARN 12.5ms bob', { level: 'WARN', took: 12.5, user: 'bob' }],
  [regex, 'WARN 12.5ms', { level: 'WARN', took: 12.5 }],
  [
    'nginx',
    '10.0.0.1 - bob [10/Oct/2000:13:55:36 -0700] "GET /a?b=\\"c\\" HTTP/1.1" 200 2326 "http://example.com/" "curl/8" "1.2.3.4"\n',
    {
      remote_addr: '10.0.0.1',
      remote_user: 'bob',
      time_local: '10/Oct/2000:13:55:36 -0700',
      method: 'GET',
      path: '/a?b=\\"c\\"',
      protocol: 'HTTP/1.1',
      status: 200,
      body_bytes_sent: 2326,
      http_referer: 'http://example.com/',
      http_user_agent: 'curl/8',
      http_x_forwarded_for: '1.2.3.4',
    },
  ],
  [
    'apache',
    '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 -',
    {
      remote_addr: '127.0.0.1',
      remote_user: 'frank',
      time_local: '10/Oct/2000:13:55:36 -0700',
      method: 'GET',
      path: '/apache_pb.gif',
      protocol: 'HTTP/1.0',
      status: 200,
    },
  ],
  [
    'nginx',
    '::1 - - [10/Oct/2000:13:55:36 +0000] "\\x16\\x03\\x01" 400 157 "-" "-" 0.123',
    {
      remote_addr: '::1',
      time_local: '10/Oct/2000:13:55:36 +0000',
      request: '\\x16\\x03\\x01',
      status: 400,
      body_bytes_sent: 157,
      extra: '0.123',
    },
  ],
  [
    'syslog',
    "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
    {
      facility: 'auth',
      severity: 'crit',
      timestamp: 'Oct 11 22:14:15',
      hostname: 'mymachine',
      appname: 'su',
      message: "'su root' failed for lonvick on /dev/pts/8",
    },
  ],
  [
    'syslog',
    '<13>Feb  5 17:32:18 10.0.0.99 sshd[4721]: Accepted publickey\n',
    {
      facility: 'user',
      severity: 'notice',
      timestamp: 'Feb  5 17:32:18',
      hostname: '10.0.0.99',
      appname: 'sshd',
      procid: '4721',
      message: 'Accepted publickey',
    },
  ],
  ['syslog', 'Feb 25 14:09:07 web1 no tag here', { timestamp: 'Feb 25 14:09:07', hostname: 'web1', message: 'no tag here' }],
  ['syslog', '<0>only this', { facility: 'kern', severity: 'emerg', message: 'only this' }],
  [
    'syslog',
    '<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="App\\]\\"x"][b] \ufeffAn event',
    {
      facility: 'local4',
      severity: 'notice',
      timestamp: '2003-10-11T22:14:15.003Z',
      hostname: 'mymachine.example.com',
      appname: 'evntslog',
      msgid: 'ID47',
      structured_data: { 'exampleSDID@32473': { iut: '3', eventSource: 'App]"x' }, b: {} },
      message: 'An event',
    },
  ],
  ['syslog', '<34>1 - - su - - -', { facility: 'auth', severity: 'crit', appname: 'su', message: '' }],
  [
    'xml',
    '<?xml version="1.0"?><log level="info" n="&lt;1&gt;"><msg>a &amp; b</msg><id>12345678901234567890</id><tag>x</tag><tag>y</tag></log>',
    { log: { '@level': 'info', '@n': '<1>', msg: 'a & b', id: '12345678901234567890', tag: ['x', 'y'] } },
  ],
  ['xml', '<a><![CDATA[<b>]]></a>', { a: '<b>' }],
]

const nameOf = (format: Format): LogFormat['name'] => (typeof format === 'string' ? format : format.name)

describe('a value', () => {
  for (const [format, value, expected] of readings)
    it(`is read as ${nameOf(format)}: ${JSON.stringify(value).slice(0, 70)}`, () => {
      assert.deepEqual(read(format, value), expected)
      const [log] = decode(format, value)
      assert.deepEqual([log?.content?.toString(), log?.tags], [value, []])
    })

  const others: [Format, string][] = [
    ['influx', 'a line of text'],
    ['influx', 'cpu,host=a value=in'],
    ['influx', 'cpu,host= value=1'],
    ['influx', 'cpu value="open'],
    ['influx', 'cpu value=1 now'],
    ['influx', 'cpu value=1 1700000000000000000 x'],
    ['influx', '# a comment'],
    ['graphite', 'a.b 1'],
    ['graphite', 'a.b one 1700000000'],
    ['graphite', 'a.b 1 1700000000 x'],
    ['carbon2', 'metric=cpu 1 1700000000'],
    ['carbon2', 'metric  1 1700000000'],
    ['collectd', 'PUTNOTIF x'],
    ['collectd', 'PUTVAL host/plugin N:1'],
    ['collectd', 'PUTVAL host/plugin/type interval=10 N:one'],
    ['logfmt', 'a line of text'],
    ['logfmt', 'a="open'],
    [csv, '1,"open'],
    [csv, '1,a"b'],
    [regex, 'nothing of the kind'],
    ['nginx', 'a line of text'],
    ['nginx', '10.0.0.1 - - [yesterday at noon or so] "GET / HTTP/1.1" 200 1'],
    ['syslog', 'a line of text'],
    ['syslog', '<192>Oct 11 22:14:15 a b: c'],
    ['xml', 'a line of text'],
    ['xml', '<a><b></a>'],
    ['xml', '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'],
    ['xml', '<__proto__>a</__proto__>'],
    ['json', 'a line of text'],
    ['json', '[1, 2]'],
  ]
  for (const [format, value] of others)
    it(`that is not ${nameOf(format)} has a tag and nothing else: ${JSON.stringify(value)}`, () => {
      const log = { content: Buffer.from(value), fields: '', timeMs: RECEIVED_MS, tags: [`not-${nameOf(format)}`] }
      assert.deepEqual(decode(format, value), [log])
    })

  it('is told by its first bytes in the format auto', () => {
    const told = (value: string): string => decode('auto', value)[0]!.fields.slice(0, 20)
    assert.deepEqual(
      [
        'cpu,host=a idle=1 1700000000000000000',
        'a.b.c 1 1700000000',
        'metric=cpu  1 1700000000',
        'PUTVAL a/b/c interval=10 1700000000:U',
        'level=info msg=done',
        '10.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 200 1',
        '<34>Oct 11 22:14:15 host su: message',
        '<log><msg>x</msg></log>',
      ].map(told),
      [
        '{"name":"cpu","tags"',
        '{"name":"a.b.c","tag',
        '{"tags":{"metric":"c',
        '{"host":"a","plugin"',
        '{"level":"info","msg',
        '{"remote_addr":"10.0',
        '{"facility":"auth","',
        '{"log":{"msg":"x"}}',
      ],
    )
  })

  const texts = [
    'took ms=12',
    'user logged=in ok=yes then left',
    'a=1',
    '[2026-01-15 12:00:00] an error',
    '[{"a":1}',
    '<b>bold</i>',
    'retry 3 times',
    'cpu value=1',
    'a=1 b=2\nc=3 d=4',
    'a.b 1 1700000000\na line of text',
    '',
    ' \n\t',
    '\0',
    '{"a":1}',
    '  {"a":',
  ]
  for (const value of texts)
    it(`of which nothing is known stays as it is in the format auto: ${JSON.stringify(value)}`, () => {
      assert.deepEqual(decode('auto', value), [{ content: Buffer.from(value), fields: '', timeMs: RECEIVED_MS, tags: [] }])
    })

  it('is JSON where the topic or a header says so, whatever the format', () => {
    for (const format of ['influx', 'text', 'xml'] as const) {
      assert.deepEqual(contents(decode(format, '[{"a":1},{"a":2}]', { isJson: true })), ['{"a":1}', '{"a":2}'])
      assert.deepEqual(decode(format, 'a', { isJson: true })[0]?.tags, ['not-json'])
      assert.deepEqual(decode(format, '{"a":1}', { isJson: true })[0]?.tags, [])
    }
  })
})
