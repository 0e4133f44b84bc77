/** One certificate for all servers that are compared, since its kind decides what a TLS handshake costs. */
import 'reflect-metadata'
import * as x509 from '@peculiar/x509'
import { KeyObject, webcrypto } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface Certificates {
  ca: string
  cert: string
  key: string
  /** Key and certificate in one file, as Kafka wants them. */
  keyStore: string
}

/** P-256 or RSA of 2048 bits. */
export type KeyKind = 'ec' | 'rsa'

const algorithms = {
  ec: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  rsa: { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' },
}
const YEAR_MS = 366 * 86_400_000

/** Makes a CA and a certificate for this machine in a directory, unless they are there. */
export async function makeBenchCertificates(directory: string, kind: KeyKind): Promise<Certificates> {
  const [ca, cert, key, keyStore] = ['ca.pem', 'cert.pem', 'key.pem', 'server.pem'].map(name => join(directory, name)) as [
    string,
    string,
    string,
    string,
  ]
  if (existsSync(keyStore)) return { ca, cert, key, keyStore }
  await mkdir(directory, { recursive: true })
  const signingAlgorithm = algorithms[kind]
  const [authorityKeys, keys] = [await generateKeys(kind), await generateKeys(kind)]
  const validity = { notBefore: new Date(Date.now() - 86_400_000), notAfter: new Date(Date.now() + YEAR_MS) }
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=benchmark CA',
    ...validity,
    keys: authorityKeys,
    signingAlgorithm,
    extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
  })
  const certificate = await x509.X509CertificateGenerator.create({
    subject: 'CN=localhost',
    issuer: authority.subject,
    ...validity,
    publicKey: keys.publicKey,
    signingKey: authorityKeys.privateKey,
    signingAlgorithm,
    extensions: [
      new x509.SubjectAlternativeNameExtension([
        { type: 'dns', value: 'localhost' },
        { type: 'ip', value: '127.0.0.1' },
      ]),
      new x509.ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.1']),
    ],
  })
  const keyPem = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' })
  const certPem = `${certificate.toString('pem')}\n`
  await writeFile(ca, `${authority.toString('pem')}\n`)
  await writeFile(cert, certPem)
  await writeFile(key, keyPem, { mode: 0o600 })
  await writeFile(keyStore, `${keyPem}${certPem}`, { mode: 0o600 })
  return { ca, cert, key, keyStore }
}

async function generateKeys(kind: KeyKind): Promise<webcrypto.CryptoKeyPair> {
  return (await webcrypto.subtle.generateKey(algorithms[kind], true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
}
