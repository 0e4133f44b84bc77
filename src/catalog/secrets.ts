/**
 * Secrets of access keys: how they are made, and how they are kept, which is as a salted scrypt hash that names its own
 * parameters (`$scrypt$ln=14,r=8,p=1$SALT$HASH`), so that these can grow while older hashes stay good.
 */
import { randomBytes, randomInt, scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto'
import { promisify } from 'node:util'

const deriveKey = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt)

/** About 50 ms of one core and 16 MiB (128 · 2^ln · r) for each guess. */
const cost = { ln: 14, r: 8, p: 1 }
const SALT_BYTES = 16
const HASH_BYTES = 32

/** `length` random letters and digits: safe in URLs, shells, passwords and configuration files alike. */
export function randomText(length: number): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('')
}

/** The hash under which a secret is kept. */
export async function hashSecret(secret: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES)
  const hash = await derive(secret, salt, cost)
  return `$scrypt$ln=${cost.ln},r=${cost.r},p=${cost.p}$${encode(salt)}$${encode(hash)}`
}

/** True if `secret` is the one that was hashed, found out in a time that does not depend on where they differ. */
export async function verifySecret(secret: string, secretHash: string): Promise<boolean> {
  const parsed = parseSecretHash(secretHash)
  if (parsed === undefined) throw new TypeError('a secret hash was not written by hashSecret')
  return timingSafeEqual(await derive(secret, parsed.salt, parsed), parsed.hash)
}

/** True if this is a hash that `verifySecret` can check against. */
export function isSecretHash(text: string): boolean {
  return parseSecretHash(text) !== undefined
}

function parseSecretHash(text: string): (typeof cost & { salt: Buffer; hash: Buffer }) | undefined {
  // The digits bound what a hash in a tampered file can cost: N = 2^19 at most.
  const [, ln, r, p, salt, hash] = /^\$scrypt\$ln=(1\d),r=(\d),p=(\d)\$([\w-]{22})\$([\w-]{43})$/.exec(text) ?? []
  if (salt === undefined || hash === undefined) return undefined
  return {
    ln: Number(ln),
    r: Number(r),
    p: Number(p),
    salt: Buffer.from(salt, 'base64url'),
    hash: Buffer.from(hash, 'base64url'),
  }
}

function derive(secret: string, salt: Buffer, { ln, r, p }: typeof cost): Promise<Buffer> {
  const N = 2 ** ln
  return deriveKey(secret, salt, HASH_BYTES, { N, r, p, maxmem: 256 * N * r })
}

function encode(bytes: Buffer): string {
  return bytes.toString('base64url')
}
