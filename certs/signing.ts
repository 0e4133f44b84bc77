/** Makes the certificates of development.ts, which loads this file when there is one to be made: the library behind it takes megabytes. */
// @peculiar/x509 needs it, and needs it first.
import 'reflect-metadata'
import * as x509 from '@peculiar/x509'
import { createPrivateKey, KeyObject, randomBytes, webcrypto } from 'node:crypto'
import { isIP } from 'node:net'

/** A certificate and its key, as PEM. */
export interface Certified {
  certificate: string
  privateKey: string
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY_MS = 86_400_000
const CA_DAYS = 3650
/** Apple's systems refuse server certificates of more than 825 days; the day before today counts too. */
const SERVER_DAYS = 820

export async function makeAuthority(): Promise<Certified> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    // A name of its own: trust stores that hold an older CA of the same name and another key try the wrong one.
    name: `CN=sluice development CA ${randomBytes(4).toString('hex')}`,
    serialNumber: makeSerialNumber(),
    ...validity(CA_DAYS),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { certificate: `${certificate.toString('pem')}\n`, privateKey: toPem(keys.privateKey) }
}

/** The server's certificate, then the CA's. */
export async function signServer(authority: Certified, hosts: readonly string[]): Promise<Certified> {
  const issuer = new x509.X509Certificate(authority.certificate)
  const issuerKey = createPrivateKey(authority.privateKey).export({ type: 'pkcs8', format: 'der' })
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const { notBefore, notAfter } = validity(SERVER_DAYS)
  const certificate = await x509.X509CertificateGenerator.create({
    subject: 'CN=sluice development server',
    issuer: issuer.subject,
    serialNumber: makeSerialNumber(),
    notBefore,
    notAfter: new Date(Math.min(notAfter.getTime(), issuer.notAfter.getTime())),
    publicKey: keys.publicKey,
    signingKey: await webcrypto.subtle.importKey('pkcs8', issuerKey, algorithm, false, ['sign']),
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(hosts.map(host => ({ type: isIP(host) ? 'ip' : 'dns', value: host }))),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
    ],
  })
  return {
    certificate: `${certificate.toString('pem')}\n${authority.certificate}`,
    privateKey: toPem(keys.privateKey),
  }
}

/** From a day ago, for clients whose clock is behind. */
function validity(days: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now()
  return { notBefore: new Date(now - DAY_MS), notAfter: new Date(now + days * DAY_MS) }
}

/** 16 random bytes as a positive number of always the same length. */
function makeSerialNumber(): string {
  const bytes = randomBytes(16)
  bytes[0] = 0x40 | (bytes[0]! & 0x3f)
  return bytes.toString('hex')
}

function toPem(key: webcrypto.CryptoKey): string {
  return KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }).toString()
}
