/**
 * Addresses and networks of clients: `10.0.0.0/8`, `2001:db8::/32`, or one address.
 */
import { BlockList, isIP } from 'node:net'

/** A network as it is written, or undefined if it is none. */
function parseNetwork(text: string): { address: string; prefix: number; family: 'ipv4' | 'ipv6' } | undefined {
  const [address = '', length, ...rest] = text.split('/')
  const version = isIP(address)
  const bits = version === 4 ? 32 : 128
  const prefix = length === undefined ? bits : /^\d{1,3}$/.test(length) ? Number(length) : Infinity
  if (version === 0 || prefix > bits || rest.length > 0) return undefined
  return { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' }
}

export function isNetwork(text: string): boolean {
  return parseNetwork(text) !== undefined
}

/** A set of networks. */
export class Networks {
  readonly #list = new BlockList()

  /** Each must be a network (`isNetwork`). */
  constructor(networks: readonly string[]) {
    for (const text of networks) {
      const { address, prefix, family } = parseNetwork(text)!
      this.#list.addSubnet(address, prefix, family)
    }
  }

  /** Whether an address, as `plainAddress` gives it, is in one of them. */
  has(address: string): boolean {
    const version = isIP(address)
    return version !== 0 && this.#list.check(address, version === 4 ? 'ipv4' : 'ipv6')
  }
}

/** An address as people write it: IPv4 without the prefix that IPv6 sockets put before it. */
export function plainAddress(remoteAddress: string | undefined): string {
  return (remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/i, '')
}

/** A client as the log names it: address and port. */
export function peerOf(socket: { remoteAddress?: string | undefined; remotePort?: number | undefined }): string {
  return `${plainAddress(socket.remoteAddress)}:${socket.remotePort ?? ''}`
}

/**
 * What counts as one source of connections: an IPv4 address, or the /64 network of an IPv6 one, since whoever has one address of
 * such a network has them all.
 */
export function sourceOf(address: string): string {
  if (isIP(address) !== 6) return address
  const [head = '', tail] = address.split('%')[0]!.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length
  const groups = [...before, ...Array<string>(Math.max(0, zeros)).fill('0'), ...after]
  return `${groups.slice(0, 4).join(':')}::/64`
}
