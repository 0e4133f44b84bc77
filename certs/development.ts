/**
 * Development certificates: a CA of one's own and a server certificate that it signs, so that clients can check who they talk
 * to before anybody has bought anything.
 *
 *     ca.pem       for clients to trust; stays when hosts are added, is replaced only when it expires or ca.key is gone
 *     ca.key       signs again when a host is added; 0600
 *     server.pem   the server's certificate, then the CA's
 *     server.key   0600
 *
 * ECDSA on P-256, and the extensions that OpenSSL 3, Go and Java insist on: subject alternative names of the right types,
 * critical basic constraints and key usage, key identifiers that agree.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdir, open, readFile, rename, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import type { Certified } from './signing.ts'

export interface MakeOptions {
  /** Where the files lie; made, with mode 0700, if it is missing. */
  directory: string
  /** DNS names, with a `*` as their first label if need be, and IP addresses; those of an earlier certificate are kept. */
  hosts: readonly string[]
  /** Told, in a sentence, of each thing that is made. */
  log?: (message: string) => void
}

/** The paths of the files, and the names the server's certificate is for. */
export interface DevelopmentCertificates {
  caFile: string
  certFile: string
  keyFile: string
  hosts: string[]
  /** False if what was there is still good. */
  isNew: boolean
}

/** A host that no certificate can be for, or a file that does not hold what its name says. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError'
}

const DAY_MS = 86_400_000
/** How long before its end a certificate is made anew. */
const RENEWAL_DAYS = 30

/**
 * Makes what is missing, about to expire or lacks a host, and leaves the rest: a certificate that is good for all `hosts` stays
 * as it is. Rejects with CertificateError if a host is neither a DNS name nor an IP address.
 */
export async function makeCertificates({ directory, hosts, log = () => {} }: MakeOptions): Promise<DevelopmentCertificates> {
  const caFile = join(directory, 'ca.pem')
  const certFile = join(directory, 'server.pem')
  const keyFile = join(directory, 'server.key')
  const names = [...new Set([...hosts.map(checkHost), ...(await readHosts(certFile))])]
  if (!(await needsRenewal(directory, names))) return { caFile, certFile, keyFile, hosts: names, isNew: false }

  await mkdir(directory, { recursive: true, mode: 0o700 })
  await syncDirectory(dirname(directory))
  const { makeAuthority, signServer } = await import('./signing.ts')
  let authority = await readAuthority(directory)
  if (authority === undefined) {
    authority = await makeAuthority()
    await replace(join(directory, 'ca.key'), authority.privateKey, 0o600)
    await replace(caFile, authority.certificate, 0o644)
    log(`made a development CA, ${caFile}: clients have to be told to trust it`)
  }
  const { certificate, privateKey } = await signServer(authority, names)
  // Key first: if this ends in between, the two do not fit and are made again.
  await replace(keyFile, privateKey, 0o600)
  await replace(certFile, certificate, 0o644)
  log(`made a development certificate for ${names.join(', ')} in ${directory}; clients trust it by ${caFile}`)
  return { caFile, certFile, keyFile, hosts: names, isNew: true }
}

/** True if the server certificate of a directory is missing, broken, about to expire or not good for all of `hosts`. */
export async function needsRenewal(directory: string, hosts: readonly string[]): Promise<boolean> {
  try {
    const ca = new X509Certificate(await readFile(join(directory, 'ca.pem')))
    const server = new X509Certificate(await readFile(join(directory, 'server.pem')))
    const key = createPrivateKey(await readFile(join(directory, 'server.key')))
    if (!server.checkPrivateKey(key) || !server.verify(ca.publicKey)) return true
    const names = new Set(namesOf(server))
    return expiresSoon(server) || expiresSoon(ca) || !hosts.every(host => names.has(checkHost(host)))
  } catch (error) {
    if (error instanceof CertificateError) throw error
    return true
  }
}

/** What a server on this machine is called without anybody's doing. */
export function developmentHosts(): string[] {
  const name = hostname().toLowerCase()
  return [...new Set(['localhost', '127.0.0.1', '::1', ...(isDnsName(name) ? [name] : [])])]
}

/** The CA of a directory if it can go on signing, else undefined. */
async function readAuthority(directory: string): Promise<Certified | undefined> {
  try {
    const certificate = await readFile(join(directory, 'ca.pem'), 'utf8')
    const privateKey = await readFile(join(directory, 'ca.key'), 'utf8')
    const parsed = new X509Certificate(certificate)
    const fits = parsed.ca && parsed.checkPrivateKey(createPrivateKey(privateKey))
    return fits && !expiresSoon(parsed) ? { certificate, privateKey } : undefined
  } catch {
    return undefined
  }
}

function expiresSoon(certificate: X509Certificate): boolean {
  return Date.parse(certificate.validTo) < Date.now() + RENEWAL_DAYS * DAY_MS
}

/** The hosts of the certificate in a file, none if it holds no certificate. */
async function readHosts(file: string): Promise<string[]> {
  try {
    return namesOf(new X509Certificate(await readFile(file)))
  } catch {
    return []
  }
}

/** Node shows alternative names as `DNS:localhost, IP Address:127.0.0.1`, IPv6 addresses with all eight groups. */
function namesOf(certificate: X509Certificate): string[] {
  const names = certificate.subjectAltName?.split(', ') ?? []
  return names.map(name => canonicalHost(name.replace(/^(DNS|IP Address):/, '')))
}

function checkHost(host: string): string {
  const name = canonicalHost(host)
  // The zone of an IPv6 address (`%eth0`) means something on one machine only.
  const isAddress = isIP(name) !== 0 && !name.includes('%')
  if (!isAddress && !isDnsName(name.replace(/^\*\./, '')))
    throw new CertificateError(`${JSON.stringify(host)} is neither a DNS name nor an IP address, so no certificate can be for it`)
  return name
}

/** The one spelling of a host: lower case, and IPv6 addresses as short as they can be. */
function canonicalHost(host: string): string {
  return isIP(host) === 6 && !host.includes('%') ? new URL(`http://[${host}]`).hostname.slice(1, -1) : host.toLowerCase()
}

function isDnsName(name: string): boolean {
  return name.length <= 253 && /^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name)
}

/** On disk when it resolves: clients are told to trust a CA once, and another one after a power cut would be none to them. */
async function replace(path: string, content: string, mode: number): Promise<void> {
  await writeFile(`${path}.new`, content, { mode, flush: true })
  await rename(`${path}.new`, path)
  await syncDirectory(dirname(path))
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
