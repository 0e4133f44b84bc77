/** Checks of `sluice doctor`: how producers and others reach the server. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer, isIP } from 'node:net'
import { join } from 'node:path'
import { isSystemError, sluiceError } from '../base/errors.ts'
import { findPortHolder } from '../base/port-holder.ts'
import type { Config } from '../config/schema.ts'
import { serverInfoPath, type ServerInfo } from '../sluice.ts'
import { askServer } from './client.ts'
import type { Finding } from './doctor.ts'
import { formatDuration } from './output.ts'

/** Development certificates are made anew at a start that comes so long before their end. */
const SOON_MS = 30 * 24 * 60 * 60 * 1000

/** Asks the running server how it is; where none runs, tries whether its ports are free. */
export async function* checkServer(config: Config): AsyncGenerator<Finding> {
  const alive = await askServer(config, '/healthz')
  if (alive === undefined) {
    yield { verdict: 'ok', says: 'none runs on this data directory' }
    yield* checkPorts(config)
    return
  }
  const { pid, listeners, http } = JSON.parse(await readFile(serverInfoPath(config.data), 'utf8')) as ServerInfo
  const addresses = Object.entries({ ...listeners, http }).map(([name, { port }]) => `${name} ${port}`)
  yield { verdict: 'ok', says: `runs as process ${pid}; ports: ${addresses.join(', ')}` }
  const ready = await askServer(config, '/readyz')
  if (ready?.status === 200) yield { verdict: 'ok', says: 'takes logs and indexes them' }
  else
    for (const problem of ready?.text.trimEnd().split('\n') ?? ['it does not answer'])
      yield { verdict: 'problem', says: problem, advice: 'its log says more' }
  const problem = await findHttpProblem(`http://${reachable(http.host)}:${http.port}/healthz`)
  if (problem !== undefined) yield { verdict: 'problem', says: problem }
}

async function findHttpProblem(url: string): Promise<string | undefined> {
  try {
    const answer = await fetch(url, { headers: { connection: 'close' } })
    await answer.arrayBuffer()
    return answer.ok ? undefined : `${url} answers with ${answer.status}`
  } catch (error) {
    const { message, cause } = error as Error
    return `${url} does not answer: ${cause instanceof Error ? cause.message : message}`
  }
}

/** An address to connect to, of one that was listened on. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1'
  return host.includes(':') ? `[${host}]` : host
}

async function* checkPorts({ listeners, http }: Config): AsyncGenerator<Finding> {
  const { internet, intranet, trusted } = listeners
  const ports = [
    { name: 'internet', option: 'listeners.internet.port', ...internet },
    { name: 'intranet', option: 'listeners.intranet.port', ...intranet },
    ...trusted.map((listener, index) => ({ option: `listeners.trusted.${index}.port`, enabled: true, ...listener })),
    { name: 'http', option: 'http.port', enabled: true, ...http },
  ].filter(({ enabled, port }) => enabled && port !== 0)
  const free: string[] = []
  for (const { name, option, host, port } of ports) {
    const error = await tryToListen(host, port)
    if (error === undefined) free.push(`${name} ${port}`)
    else yield { verdict: 'problem', ...(await explainListenError(error, { name, option, host, port })) }
  }
  if (free.length > 0) yield { verdict: 'ok', says: `ports that are free for it: ${free.join(', ')}` }
}

function tryToListen(host: string | undefined, port: number): Promise<Error | undefined> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', resolve)
    server.listen({ host, port }, () => server.close(() => resolve(undefined)))
  })
}

async function explainListenError(
  error: Error,
  { name, option, host, port }: { name: string; option: string; host: string | undefined; port: number },
): Promise<{ says: string; advice?: string }> {
  if (isSystemError(error, 'EADDRINUSE'))
    return { says: sluiceError('PORT_IN_USE', { listener: name, port, holder: await findPortHolder(port), option }).message }
  const says = `the ${name} listener cannot be opened: ${error.message}`
  if (isSystemError(error, 'EACCES'))
    return { says, advice: `ports below 1024 need a right of their own; choose another one with the setting ${option}` }
  if (isSystemError(error, 'EADDRNOTAVAIL'))
    return { says, advice: `${host} is no address of this machine: correct ${option.replace(/port$/, 'host')}` }
  return { says }
}

/** The certificates that the configuration names, and the development ones where it names none. */
export async function* checkCertificates({ data, listeners }: Config): AsyncGenerator<Finding> {
  const byFile = new Map<string, { key: string; names: string[]; hosts: Set<string>; isDevelopment: boolean }>()
  for (const name of ['internet', 'intranet'] as const) {
    const { enabled, tls, advertised } = listeners[name]
    if (!enabled) continue
    const cert = tls?.cert ?? join(data, 'certs', 'server.pem')
    const key = tls?.key ?? join(data, 'certs', 'server.key')
    const found = byFile.get(cert) ?? { key, names: [], hosts: new Set(), isDevelopment: tls === undefined }
    found.names.push(name)
    if (advertised !== undefined) found.hosts.add(advertised.host)
    byFile.set(cert, found)
  }
  for (const [file, { key, names, hosts, isDevelopment }] of byFile)
    yield* checkCertificate({ file, key, of: names.join(' and '), hosts, isDevelopment })
}

async function* checkCertificate({
  file,
  key,
  of,
  hosts,
  isDevelopment,
}: {
  file: string
  key: string
  of: string
  hosts: ReadonlySet<string>
  isDevelopment: boolean
}): AsyncGenerator<Finding> {
  const renew = isDevelopment
    ? 'start the server again: it makes a new one'
    : 'put a new one in its place and start the server again'
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(await readFile(file))
    if (!certificate.checkPrivateKey(createPrivateKey(await readFile(key))))
      return yield { verdict: 'problem', says: `${file} (${of}) and the key ${key} do not belong together`, advice: renew }
  } catch (error) {
    if (isDevelopment && isSystemError(error, 'ENOENT'))
      return yield { verdict: 'ok', says: `${file} (${of}) is made at the next start` }
    return yield { verdict: 'problem', says: `${file} (${of}) cannot be used: ${(error as Error).message}` }
  }
  const leftMs = Date.parse(certificate.validTo) - Date.now()
  const alternatives = certificate.subjectAltName?.replaceAll(/(?:DNS|IP Address):/g, '') ?? 'no name at all'
  const says = `${file} (${of}) is for ${alternatives}`
  for (const host of hosts)
    if ((isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host)) === undefined)
      yield {
        verdict: 'problem',
        says: `${file} (${of}) is not for ${host}, where clients are told to connect to: they refuse it`,
        advice: isDevelopment ? `sluice certs ${join(file, '..')} --host ${host}` : 'get one that is for that name',
      }
  if (Date.parse(certificate.validFrom) > Date.now())
    yield { verdict: 'problem', says: `${says}; it is not valid before ${certificate.validFrom}`, advice: 'is the clock right?' }
  else if (leftMs <= 0)
    yield { verdict: 'problem', says: `${says}; it expired ${formatDuration(-leftMs)} ago, and clients refuse it`, advice: renew }
  else if (leftMs < SOON_MS) yield { verdict: 'warning', says: `${says}; it expires in ${formatDuration(leftMs)}`, advice: renew }
  else yield { verdict: 'ok', says: `${says}; it expires in ${formatDuration(leftMs)}` }
}
