/** Where an agent reaches the server, and what it has to trust there: as a running server says, else as the configuration. */
import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import type { Agent } from '../agents/agent.ts'
import { isSystemError, sluiceError, type SluiceError } from '../base/errors.ts'
import type { Config } from '../config/schema.ts'
import { serverInfoPath, type ServerInfo } from '../sluice.ts'

export interface Address {
  host: string
  port: number
  ca: string | undefined
  isTrusted: boolean
  /** What does not fit yet, as sentences. */
  notes: string[]
}

interface Wanted {
  host?: string
  port?: string
  ca?: string
  listener?: string
}

const tlsListeners = ['internet', 'intranet'] as const

export async function findAddress(config: Config, agent: Agent, project: string, wanted: Wanted): Promise<Address> {
  const info = await readServerInfo(config.data)
  const name = wanted.listener ?? (agent.security === 'none' ? findTrusted(config, project) : 'internet')
  const isTrusted = name === undefined || !tlsListeners.some(known => known === name)
  if (isTrusted && agent.security === 'tls')
    throw invalid(`${agent.title} logs in over TLS: choose the listener internet or intranet, not "${name}"`)
  if (!isTrusted && agent.security === 'none')
    throw invalid(`${agent.title} speaks neither TLS nor SASL: choose a trusted listener, not "${name}"`)
  const listener = isTrusted ? config.listeners.trusted.find(found => found.name === name) : config.listeners[name as 'internet']
  const running = name === undefined ? undefined : info?.listeners[name]
  if (wanted.listener !== undefined && listener === undefined && running === undefined)
    throw invalid(`there is no listener "${wanted.listener}"; the configuration names the trusted ones: give it with --config`)
  const host = wanted.host ?? findHost(listener?.advertised?.host, running?.host ?? listener?.host)
  const port = findPort(wanted.port, listener?.advertised?.port ?? running?.port ?? listener?.port)
  const notes = isTrusted ? explainTrusted(project, name) : await explainCertificate(config, name as 'internet', host)
  const ca = isTrusted ? undefined : findCa(config, name as 'internet', wanted.ca)
  if (ca !== undefined && wanted.ca === undefined)
    notes.push(`on another machine the agent needs a copy of ${ca}; --ca names the place where it has it`)
  for (const [what, value] of Object.entries({ host, ca: ca ?? '' }))
    if (!/^[^'"\\$`#{}\p{Cc}]*$/u.test(value))
      throw invalid(`--${what} has characters that agents read as something else: ${value}`)
  return { host, port, ca, isTrusted, notes }
}

async function readServerInfo(data: string): Promise<ServerInfo | undefined> {
  try {
    return JSON.parse(await readFile(serverInfoPath(data), 'utf8')) as ServerInfo
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined
    throw error
  }
}

function findTrusted({ listeners }: Config, project: string): string | undefined {
  return listeners.trusted.find(({ protocol, project: bound }) => protocol === 'PLAINTEXT' && bound === project)?.name
}

function findHost(advertised: string | undefined, listening: string | undefined): string {
  if (advertised !== undefined) return advertised
  const isEverywhere = listening === undefined || listening === '0.0.0.0' || listening === '::'
  return isEverywhere ? hostname().toLowerCase() : listening
}

/** Where no trusted listener is configured yet, the port is the one that the documentation suggests. */
function findPort(wanted: string | undefined, known = 9092): number {
  const port = Number(wanted ?? known)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw invalid(`--port must be a port, not ${wanted}`)
  if (port === 0)
    throw invalid('the listener takes any free port, and the server does not run: start it, or give the port with --port')
  return port
}

function findCa({ data, listeners }: Config, name: 'internet' | 'intranet', wanted: string | undefined): string | undefined {
  if (wanted !== undefined) return wanted
  return listeners[name].tls === undefined ? join(resolve(data), 'certs', 'ca.pem') : undefined
}

function explainTrusted(project: string, name: string | undefined): string[] {
  const way = 'docs/configuration.md, "Gateways without TLS", says how one is configured'
  return name === undefined
    ? [
        `no trusted listener of project "${project}" is in the configuration, so the address is a guess: ${way}; ` +
          'give the file with --config',
      ]
    : ['whoever reaches that port may do what its access key may']
}

/** Clients refuse a certificate that is not for the name that they connect to. */
async function explainCertificate({ data, listeners }: Config, name: 'internet' | 'intranet', host: string): Promise<string[]> {
  const file = listeners[name].tls?.cert ?? join(data, 'certs', 'server.pem')
  if (!existsSync(file)) return []
  const certificate = new X509Certificate(await readFile(file))
  if ((isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host)) !== undefined) return []
  const way =
    listeners[name].tls === undefined ? `"sluice certs ${join(data, 'certs')} --host ${host}" makes it so` : 'get one that is'
  return [`the certificate of the server is not for ${host}, and agents refuse it: ${way}`]
}

function invalid(problem: string): SluiceError {
  return sluiceError('INVALID_ARGUMENT', { problem })
}
