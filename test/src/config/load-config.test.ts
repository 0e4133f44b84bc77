import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { loadConfig, type ConfigSource } from '../../../src/config/load-config.ts'
import { regionRule, type Config } from '../../../src/config/schema.ts'
import { formatDefaultConfig } from '../../../src/config/settings.ts'

describe('loadConfig', () => {
  let directory: string
  let file: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'sluice-config-'))
    file = join(directory, 'sluice.yaml')
  })

  afterEach(() => rmSync(directory, { recursive: true }))

  function load(yaml: string, source: ConfigSource = {}): Config {
    writeFileSync(file, yaml)
    return loadConfig({ file, ...source })
  }

  /** The problems that loading this file reports, one a line. */
  function problemsOf(yaml: string, source: ConfigSource = {}): string[] {
    try {
      load(yaml, source)
    } catch (error) {
      const { code, message } = error as Error & { code: string }
      assert.equal(code, 'CONFIG_INVALID')
      assert.ok(message.startsWith(`${file}: `), message)
      return message
        .slice(file.length + 2)
        .split('\n')
        .map(line => line.trim())
        .filter(line => line !== '')
    }
    return []
  }

  it('gives every setting its default without a file, with an empty one, and with sections that have nothing under them', () => {
    const config = loadConfig()
    assert.equal(config.data, resolve('data'))
    assert.deepEqual(config.listeners.internet, { enabled: true, port: 10012, networks: ['0.0.0.0/0', '::/0'] })
    assert.deepEqual(config.listeners.intranet, { enabled: true, port: 10011, networks: ['0.0.0.0/0', '::/0'] })
    assert.deepEqual(config.http, { host: '127.0.0.1', port: 10013 })
    assert.deepEqual(load('', { data: 'data' }), config)
    assert.deepEqual(present(load('listeners:\n  internet:\n    tls:\nhttp:\nlimits:\n', { data: 'data' })), present(config))
  })

  it('takes relative paths of the file from its directory, and `data` of the command line from the working directory', () => {
    const yaml = 'data: logs\nlisteners: { internet: { tls: { cert: tls/server.pem, key: /etc/server.key } } }'
    assert.equal(load(yaml).data, join(directory, 'logs'))
    assert.deepEqual(load(yaml).listeners.internet.tls, { cert: join(directory, 'tls/server.pem'), key: '/etc/server.key' })
    assert.equal(load(yaml, { data: 'other' }).data, resolve('other'))
    assert.equal(load('region: eu').data, join(directory, 'data'))
  })

  it('puts overrides before the file and leaves the settings beside them', () => {
    const yaml = 'listeners: { internet: { port: 1, advertised: { host: logs.example.com, port: 443 } } }'
    const overrides = { 'listeners.internet.port': 0, 'http.port': 0, region: undefined }
    const config = load(yaml, { overrides })
    assert.deepEqual(config.listeners.internet, {
      enabled: true,
      port: 0,
      networks: ['0.0.0.0/0', '::/0'],
      advertised: { host: 'logs.example.com', port: 443 },
    })
    assert.equal(config.http.port, 0)
    assert.equal(config.region, 'local')
  })

  it('reads sizes and durations with and without units', () => {
    const config = load('journal: { segmentBytes: 128 MiB }\nlimits: { requestBytes: 1000000, bufferedBytes: 2MB, idleMs: 1.5h }')
    assert.equal(config.journal.segmentBytes, 134_217_728)
    assert.equal(config.limits.requestBytes, 1_000_000)
    assert.equal(config.limits.bufferedBytes, 2_000_000)
    assert.equal(config.limits.idleMs, 5_400_000)
  })

  it('is frozen throughout', () => {
    const config = load('listeners: { internet: { advertised: { host: logs.example.com } } }')
    const frozen = (value: unknown): boolean =>
      typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(frozen))
    assert.ok(frozen(config))
  })

  for (const [given, meant] of [
    ['listeners: { internett: {} }', 'listeners.internett is not a setting; did you mean listeners.internet?'],
    ['jurnal: { sync: always }', 'jurnal is not a setting; did you mean journal?'],
    ['http: { prot: 1 }', 'http.prot is not a setting; did you mean http.port?'],
    [
      'listeners: { internet: { tls: { crt: a, key: b } } }',
      'listeners.internet.tls.crt is not a setting; did you mean listeners.internet.tls.cert?',
    ],
    ['idleMs: 20 min', 'idleMs is not a setting; did you mean limits.idleMs?'],
    ['regoin:', 'regoin is not a setting; did you mean region?'],
  ] as const)
    it(`refuses an unknown setting with the nearest known one: ${given}`, () => {
      assert.ok(problemsOf(given).includes(meant), problemsOf(given).join('\n'))
    })

  for (const [given, problem] of [
    ['http: { port: 70000 }', 'http.port must be a whole number from 0 to 65535, not 70000'],
    ['http: { port: "80" }', 'http.port must be a whole number from 0 to 65535, not "80"'],
    ['http: 80', 'http must be a section with settings of its own, not 80'],
    ['http: { host: "" }', 'http.host must be text that is not empty, not ""'],
    ['listeners: { internet: { tls: { cert: a } } }', 'listeners.internet.tls.key is missing'],
    [
      'listeners: { internet: { advertised: { host: a, port: 0 } } }',
      'listeners.internet.advertised.port must be a whole number from 1 to 65535, not 0',
    ],
    ['region: EU', `region must be ${regionRule}, not "EU"`],
    ['region: eu-intranet', `region must be ${regionRule}, not "eu-intranet"`],
    ...['http://me:secret@host', 'tcp://host:9000', 'http://host/path', 'http://host?user=me', 'host:8123', ''].map(url => [
      `store: { url: "${url}" }`,
      'store.url has to be the address of a ClickHouse server, as "https://clickhouse.example.com:8443", without user or path',
    ]),
    ['store: { password: 123456 }', 'store.password has to be text in quotes'],
    [
      'store: { discard: true, url: "http://host:8123" }',
      'store.discard throws logs away, and store.url names a server for them; leave one out',
    ],
    ['store: { password: x }', 'store.password is for a server, and store.url names none'],
    ['store: { cluster: logs }', 'store.cluster is for a server, and store.url names none'],
    [
      'store: { url: "http://host:8123", queryPassword: y }',
      'store.password or store.passwordFile is missing: store.url needs it',
    ],
    [
      'store: { url: "http://host:8123", password: x, queryPassword: y, queryPasswordFile: z }',
      'store.queryPassword and store.queryPasswordFile are both given; leave one out',
    ],
    [
      'store: { url: "http://host:8123", password: x, queryPassword: y, tls: { ca: ca.pem } }',
      'store.tls is for a store.url that begins with https://',
    ],
    [
      'store: { url: "http://host:8123", password: x, queryPassword: y, queryUser: sluice }',
      "store.queryUser must not be store.user: it runs people's SQL, and may only read",
    ],
    ['limits: { idleMs: 5 min }', 'limits.idleMs must be a duration of at least 10 min, such as "15 min", not "5 min"'],
    ['limits: { bufferedBytes: 100 MiB }', 'limits.bufferedBytes must be at least twice limits.requestBytes'],
    [
      'journal: { segmentBytes: 64 MiBs }',
      'journal.segmentBytes must be a size of at least 1 MiB and at most 1 GiB, such as "64 MiB", not "64 MiBs"',
    ],
    ['auth: { reject: never }', 'auth.reject must be "topic" or "sasl", not "never"'],
    ['- region', 'a configuration is a mapping from names of settings to values'],
    ['region: a\nregion: b', 'Map keys must be unique at line 2, column 1'],
  ] as const)
    it(`refuses ${JSON.stringify(given)}`, () => {
      assert.deepEqual(problemsOf(given), [problem])
    })

  describe('of trusted listeners', () => {
    const trusted = (fields: string) => `listeners: { trusted: [{ name: kong, port: 9092, ${fields} }] }`
    const bound = 'project: demo, accessKeyId: KEY'

    it('takes those that stay on this machine, and those that may leave it', () => {
      assert.equal(load(trusted(bound)).listeners.trusted[0]?.host, '127.0.0.1')
      for (const host of ['localhost', '::1', '127.0.0.9']) load(trusted(`${bound}, host: "${host}"`))
      load(trusted(`${bound}, host: 10.0.0.1, insecure: true, networks: [10.0.0.0/8]`))
      load(trusted('protocol: SASL_PLAINTEXT'))
    })

    for (const [fields, problem] of [
      [
        'project: demo',
        'listeners.trusted.0 must have project and accessKeyId: without SASL all its clients act as that access key',
      ],
      [
        `protocol: SASL_PLAINTEXT, ${bound}`,
        'listeners.trusted.0 must not have project or accessKeyId: with SASL_PLAINTEXT its clients log in with their own',
      ],
      [
        `${bound}, host: 10.0.0.1, networks: [10.0.0.0/8]`,
        'listeners.trusted.0.insecure must be true: 10.0.0.1 is not a loopback address, and what is sent there has no TLS',
      ],
      [
        `${bound}, host: 0.0.0.0, insecure: true`,
        'listeners.trusted.0.networks must name the networks that clients may come from: 0.0.0.0 is not a loopback address',
      ],
      [`${bound}, network: x`, 'listeners.trusted.0.network is not a setting; did you mean listeners.trusted.0.networks?'],
      [
        `${bound}, networks: [10.0.0.0/33]`,
        'listeners.trusted.0.networks.0 must be a network, such as "10.0.0.0/8" or "2001:db8::/32", or an address, not "10.0.0.0/33"',
      ],
    ] as const)
      it(`refuses ${fields}`, () => assert.deepEqual(problemsOf(trusted(fields)), [problem]))

    it('refuses a name that another listener has', () => {
      const named = (name: string) => `{ name: ${name}, port: 0, ${bound} }`
      assert.deepEqual(problemsOf(`listeners: { trusted: [${named('a')}, ${named('intranet')}, ${named('a')}] }`), [
        'listeners.trusted.1.name must not be that of another listener, not "intranet"',
        'listeners.trusted.2.name must not be that of another listener, not "a"',
      ])
    })
  })

  it('reports everything that is wrong at once', () => {
    assert.deepEqual(
      problemsOf('region: EU\nhttp: { prt: 1 }\nlog: { level: loud }', { overrides: { 'auth.reject': 1 } }).length,
      4,
    )
  })

  it('says that a file is missing', () => {
    const missing = join(directory, 'missing.yaml')
    assert.throws(() => loadConfig({ file: missing }), { code: 'CONFIG_INVALID', message: `${missing}: there is no such file` })
  })

  it('loads the default configuration that it shows', () => {
    assert.deepEqual(present(load(formatDefaultConfig(), { data: 'data' })), present(loadConfig()))
  })
})

/** The configuration without the settings that are undefined, which say the same as settings that are absent. */
function present(config: Config): unknown {
  return JSON.parse(JSON.stringify(config))
}

describe('the default configuration', () => {
  it('says what each setting is for', () => {
    const lines = formatDefaultConfig().split('\n')
    const settings = lines.filter(line => /^ *(# )?[a-zA-Z]+:( |$)/.test(line))
    assert.ok(settings.length > 25, lines.join('\n'))
    for (const setting of settings) {
      const isSection = /^ *[a-zA-Z]+:$/.test(setting)
      if (!isSection) assert.match(lines[lines.indexOf(setting) - 1]!, /^ *# [a-z]/, setting)
    }
  })
})
