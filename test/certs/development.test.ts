import 'reflect-metadata'
import * as x509 from '@peculiar/x509'
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, createServer } from 'node:tls'
import { developmentHosts, makeCertificates, needsRenewal } from '../../certs/development.ts'

const DAY_MS = 86_400_000

describe('development certificates', () => {
  let directory: string
  const realNow = Date.now

  beforeEach(() => {
    directory = join(mkdtempSync(join(tmpdir(), 'sluice-certs-')), 'certs')
  })

  afterEach(() => {
    Date.now = realNow
    rmSync(join(directory, '..'), { recursive: true })
  })

  function pass(days: number): void {
    const now = Date.now()
    Date.now = () => now + days * DAY_MS
  }

  const content = (name: string) => readFileSync(join(directory, name), 'utf8')

  /** Connects to a server with these certificates as a client that trusts the CA; resolves with the error's code, or `ok`. */
  async function connectAs(servername: string): Promise<string> {
    const server = createServer({ cert: content('server.pem'), key: content('server.key') }, socket => socket.end())
    server.on('tlsClientError', () => {})
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    const host = '127.0.0.1'
    const socket = connect({ port, host, ca: content('ca.pem'), ...(servername === host ? {} : { servername }) })
    try {
      await once(socket, 'secureConnect')
      return 'ok'
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error)
    } finally {
      socket.destroy()
      server.close()
    }
  }

  it('are trusted by a client that has the CA, for each of their hosts and for no other', async () => {
    await makeCertificates({ directory, hosts: [...developmentHosts(), '*.eu.example.com'] })
    for (const name of [...developmentHosts().filter(host => host !== '::1'), 'web.eu.example.com'])
      assert.equal(await connectAs(name), 'ok', name)
    for (const name of ['example.com', 'eu.example.com', 'a.web.eu.example.com'])
      assert.equal(await connectAs(name), 'ERR_TLS_CERT_ALTNAME_INVALID', name)
  })

  it('have the extensions that the strictest clients look for, and no serial number twice', async () => {
    await makeCertificates({ directory, hosts: ['localhost', '127.0.0.1'] })
    const ca = new x509.X509Certificate(content('ca.pem'))
    const server = new x509.X509Certificate(content('server.pem'))
    const constraints = ca.getExtension(x509.BasicConstraintsExtension)
    assert.deepEqual([constraints?.ca, constraints?.pathLength, constraints?.critical], [true, 0, true])
    assert.equal(ca.getExtension(x509.KeyUsagesExtension)?.critical, true)
    const authority = server.getExtension(x509.AuthorityKeyIdentifierExtension)
    assert.equal(authority?.keyId, ca.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId)
    assert.equal(server.getExtension(x509.BasicConstraintsExtension)?.ca, false)
    assert.equal(server.getExtension(x509.KeyUsagesExtension)?.usages, x509.KeyUsageFlags.digitalSignature)
    assert.deepEqual([...(server.getExtension(x509.ExtendedKeyUsageExtension)?.usages ?? [])], [x509.ExtendedKeyUsage.serverAuth])
    for (const { serialNumber } of [ca, server]) assert.match(serialNumber, /^[4-7][0-9a-f]{31}$/)
    assert.notEqual(server.serialNumber, ca.serialNumber)
    assert.ok(server.notAfter.getTime() - server.notBefore.getTime() <= 825 * DAY_MS)
  })

  it('keep their keys from everybody but the owner', async () => {
    await makeCertificates({ directory, hosts: ['localhost'] })
    assert.equal(statSync(directory).mode & 0o777, 0o700)
    for (const name of ['ca.key', 'server.key']) assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name)
  })

  it('stay as they are while they are good for all hosts, however these are spelled', async () => {
    const said: string[] = []
    const log = (message: string) => said.push(message)
    const first = await makeCertificates({ directory, hosts: ['localhost', '2001:db8::1'], log })
    assert.equal(first.isNew, true)
    assert.equal(said.length, 2)
    const server = content('server.pem')
    const again = await makeCertificates({ directory, hosts: ['LOCALHOST', '2001:DB8:0::0:1'], log })
    assert.deepEqual(again, { ...first, isNew: false })
    assert.equal(content('server.pem'), server)
    assert.equal(said.length, 2)
  })

  it('take a new host in beside the earlier ones, by the same CA', async () => {
    await makeCertificates({ directory, hosts: ['localhost', '127.0.0.1'] })
    const ca = content('ca.pem')
    assert.equal(await connectAs('logs.example.com'), 'ERR_TLS_CERT_ALTNAME_INVALID')
    const { hosts } = await makeCertificates({ directory, hosts: ['logs.example.com'] })
    assert.deepEqual(hosts, ['logs.example.com', 'localhost', '127.0.0.1'])
    assert.equal(content('ca.pem'), ca)
    for (const name of hosts) assert.equal(await connectAs(name), 'ok', name)
  })

  it('are made anew by the same CA before they expire, and with a new CA before that does', async () => {
    await makeCertificates({ directory, hosts: ['localhost'] })
    const [ca, server] = [content('ca.pem'), content('server.pem')]
    pass(780)
    assert.equal(await needsRenewal(directory, ['localhost']), false)
    pass(20)
    assert.equal(await needsRenewal(directory, ['localhost']), true)
    await makeCertificates({ directory, hosts: ['localhost'] })
    assert.notEqual(content('server.pem'), server)
    assert.equal(content('ca.pem'), ca)
    pass(3650 - 800 - 10)
    await makeCertificates({ directory, hosts: ['localhost'] })
    assert.notEqual(content('ca.pem'), ca)
  })

  for (const damaged of ['server.pem', 'server.key', 'ca.pem'])
    it(`are made anew when ${damaged} is gone or broken`, async () => {
      await makeCertificates({ directory, hosts: ['localhost'] })
      rmSync(join(directory, damaged))
      assert.equal(await needsRenewal(directory, ['localhost']), true)
      writeFileSync(join(directory, damaged), 'not PEM')
      await makeCertificates({ directory, hosts: ['localhost'] })
      assert.equal(await connectAs('localhost'), 'ok')
    })

  it('are made anew when key and certificate do not belong together', async () => {
    await makeCertificates({ directory, hosts: ['localhost'] })
    const key = content('server.key')
    await makeCertificates({ directory, hosts: ['localhost', 'logs.example.com'] })
    writeFileSync(join(directory, 'server.key'), key)
    assert.equal(await needsRenewal(directory, ['localhost']), true)
  })

  it('are made anew when the CA beside them is another', async () => {
    const other = join(directory, '..', 'other')
    await makeCertificates({ directory, hosts: ['localhost'] })
    await makeCertificates({ directory: other, hosts: ['localhost'] })
    for (const name of ['ca.pem', 'ca.key']) copyFileSync(join(other, name), join(directory, name))
    assert.equal((await makeCertificates({ directory, hosts: ['localhost'] })).isNew, true)
    assert.equal(await connectAs('localhost'), 'ok')
  })

  it('go on without the key of the CA until a host is added', async () => {
    await makeCertificates({ directory, hosts: ['localhost'] })
    const ca = content('ca.pem')
    rmSync(join(directory, 'ca.key'))
    assert.equal((await makeCertificates({ directory, hosts: ['localhost'] })).isNew, false)
    await makeCertificates({ directory, hosts: ['logs.example.com'] })
    assert.notEqual(content('ca.pem'), ca)
    assert.equal(await connectAs('logs.example.com'), 'ok')
  })

  for (const host of ['', 'a b', 'a..b', '-a', 'a.*.b', '*', 'http://a', 'a/b', '::1%lo', 'a:1'])
    it(`refuse ${JSON.stringify(host)} as a host`, async () => {
      await assert.rejects(makeCertificates({ directory, hosts: [host] }), { name: 'CertificateError' })
    })
})
