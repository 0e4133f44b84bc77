/**
 * What must hold between the settings of trusted listeners: nothing that is sent without TLS leaves the machine by mistake.
 */
import { Networks } from '../base/networks.ts'
import type { Config, TrustedListenerConfig } from './schema.ts'

/** Where the clients of this machine come from. */
export const loopbackNetworks: readonly string[] = ['127.0.0.0/8', '::1']

const loopback = new Networks(loopbackNetworks)

/** What is wrong with the trusted listeners, as sentences; empty if nothing is. */
export function findListenerConflicts({ trusted }: Config['listeners']): string[] {
  const conflicts = trusted.flatMap((listener, index) => findConflicts(listener, `listeners.trusted.${index}`))
  const names = trusted.map(({ name }) => name)
  for (const [index, name] of names.entries())
    if (RESERVED.includes(name) || names.indexOf(name) !== index)
      conflicts.push(`listeners.trusted.${index}.name must not be that of another listener, not "${name}"`)
  return conflicts
}

const RESERVED = ['internet', 'intranet']

function findConflicts(
  { protocol, host, networks, project, accessKeyId, insecure }: TrustedListenerConfig,
  path: string,
): string[] {
  const conflicts: string[] = []
  const isBound = project !== undefined && accessKeyId !== undefined
  if (protocol === 'PLAINTEXT' && !isBound)
    conflicts.push(`${path} must have project and accessKeyId: without SASL all its clients act as that access key`)
  if (protocol === 'SASL_PLAINTEXT' && (project !== undefined || accessKeyId !== undefined))
    conflicts.push(`${path} must not have project or accessKeyId: with SASL_PLAINTEXT its clients log in with their own`)
  if (host === 'localhost' || loopback.has(host)) return conflicts
  if (!insecure)
    conflicts.push(`${path}.insecure must be true: ${host} is not a loopback address, and what is sent there has no TLS`)
  if (networks.length === 0)
    conflicts.push(`${path}.networks must name the networks that clients may come from: ${host} is not a loopback address`)
  return conflicts
}
