/**
 * All listeners that the configuration names, each with its certificate and its way to log in.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { developmentHosts, makeCertificates } from '../../certs/development.ts'
import { sluiceError } from '../base/errors.ts'
import type { Authenticator } from '../catalog/authenticator.ts'
import type { Authorizer } from '../catalog/authorizer.ts'
import type { Catalog } from '../catalog/catalog.ts'
import { loopbackNetworks } from '../config/listeners.ts'
import type { Config, TrustedListenerConfig } from '../config/schema.ts'
import type { Address } from './handler.ts'
import { Listener, type ListenerOptions } from './listener.ts'
import type { RefusalLog } from './refusal-log.ts'
import { SaslSession, TrustedSession, type Session } from './session.ts'

export interface Listeners {
  /** By the listener's name. */
  addresses: Record<string, Address>
  /** The CA that clients have to trust, if certificates are development ones. */
  ca: string | null
  close(): Promise<void>
}

export interface ListenersOptions {
  catalog: Catalog
  authenticator: Authenticator
  authorizer: Authorizer
  refusalLog: RefusalLog
  shared: ListenerOptions['shared']
}

/** Opens them one after the other; if one fails, those before it are closed again. */
export async function openListeners(config: Config, { catalog, shared, ...access }: ListenersOptions): Promise<Listeners> {
  const { auth, listeners } = config
  const opened = new Map<string, Listener>()
  const open = async (options: Omit<ListenerOptions, 'shared'>): Promise<void> => {
    opened.set(options.name, await Listener.open({ ...options, shared }))
  }
  const close = async (): Promise<void> => {
    await Promise.all([...opened.values()].map(listener => listener.close()))
  }
  const logIn = (serverName: string | undefined): Session =>
    new SaslSession({ ...access, rejectAt: auth.reject, lifetimeMs: auth.sessionMs, serverName })
  const development = await makeDevelopmentCertificates(config, shared)
  try {
    for (const name of ['internet', 'intranet'] as const) {
      const { enabled, tls, ...address } = listeners[name]
      if (!enabled) continue
      const certificate = await readCertificate(tls ?? development!)
      await open({ name, ...address, host: address.host, portOption: `listeners.${name}.port`, certificate, openSession: logIn })
    }
    for (const [index, listener] of listeners.trusted.entries()) {
      const act = trustedSessions(listener, catalog)
      // Without networks of its own it is on a loopback address.
      const networks = listener.networks.length > 0 ? listener.networks : loopbackNetworks
      await open({ ...listener, networks, portOption: `listeners.trusted.${index}.port`, openSession: act ?? logIn })
      reportTrusted(listener, catalog, shared)
    }
  } catch (error) {
    await close()
    throw error
  }
  const addresses = Object.fromEntries([...opened].map(([name, listener]) => [name, listener.address]))
  return { addresses, ca: development?.ca ?? null, close }
}

/** Sessions that act as the configured access key, or undefined where clients log in. */
function trustedSessions({ project, accessKeyId }: TrustedListenerConfig, catalog: Catalog): (() => Session) | undefined {
  if (project === undefined || accessKeyId === undefined) return undefined
  return () => new TrustedSession({ catalog, project, accessKeyId })
}

function reportTrusted(
  { name, protocol, host, networks, project, accessKeyId, insecure }: TrustedListenerConfig,
  catalog: Catalog,
  { log }: ListenerOptions['shared'],
): void {
  const listener = { listener: name, protocol, host, networks, project, accessKeyId }
  if (insecure)
    log.warn(listener, 'a listener without TLS is open beyond this machine: what is sent to it can be read on the way')
  if (project !== undefined && accessKeyId !== undefined && catalog.findAccessKey(project, accessKeyId) === undefined)
    log.warn(listener, 'a trusted listener refuses everything: its project has no such access key; "sluice key list" shows them')
}

/** The development certificates, if any listener has none of its own. */
async function makeDevelopmentCertificates({ data, listeners }: Config, { log }: ListenerOptions['shared']) {
  const isNeeded = [listeners.internet, listeners.intranet].some(({ enabled, tls }) => enabled && tls === undefined)
  if (!isNeeded) return undefined
  const directory = join(data, 'certs')
  const { caFile, certFile, keyFile } = await makeCertificates({
    directory,
    hosts: developmentHosts(),
    log: message => log.info(message),
  })
  return { cert: certFile, key: keyFile, ca: caFile }
}

async function readCertificate(tls: { cert: string; key: string }): Promise<{ cert: Buffer; key: Buffer }> {
  const read = (file: string) =>
    readFile(file).catch((error: Error) => {
      throw sluiceError('CERTIFICATE_INVALID', { file, problem: error.message }, error)
    })
  return { cert: await read(tls.cert), key: await read(tls.key) }
}
