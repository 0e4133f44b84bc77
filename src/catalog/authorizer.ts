/**
 * Who may write to what. Decisions only: nothing here waits, and a permission costs a few lookups, because every batch asks.
 *
 * What is decided holds for the catalog of this moment: a connection asks again for each write and does not remember.
 */
import { errorKinds } from '../base/errors.ts'
import { isRegion } from '../config/schema.ts'
import type { Catalog } from './catalog.ts'
import type { AccessKey, Logstore } from './model.ts'
import { isName, shorten } from './names.ts'

/** Who a connection says it is, and what came of it. */
export interface Principal {
  /** As the client named it; there may be no such project. */
  project: string
  /** The key whose secret the client knew; undefined if it knew none. */
  accessKey: AccessKey | undefined
  /** The region that the host name carried which the client connected to. */
  region: string | undefined
}

export interface Permission {
  logstore: Logstore
  /** `json` where the topic was `LOGSTORE.json`: one logstore, but another topic to its client, and always JSON. */
  variant: 'json' | undefined
}

export interface Refusal {
  refusal: 'UNKNOWN_PROJECT' | 'UNKNOWN_LOGSTORE' | 'OTHER_REGION' | 'BAD_ACCESS_KEY' | 'NO_RIGHT'
  /** One sentence that says what to do. */
  message: string
}

const JSON_SUFFIX = '.json'

export class Authorizer {
  readonly #catalog: Catalog
  /** The region of this server, for clients whose host name carries none. */
  readonly #region: string

  constructor({ catalog, region }: { catalog: Catalog; region: string }) {
    this.#catalog = catalog
    this.#region = region
  }

  /** Whether `principal` may write to `topic`, and to which logstore that is. */
  authorize(principal: Principal, topic: string): Permission | Refusal {
    const refusal = this.findRefusal(principal)
    if (refusal !== undefined) return refusal
    const { project } = principal
    const isJson = topic.endsWith(JSON_SUFFIX)
    const name = isJson ? topic.slice(0, -JSON_SUFFIX.length) : topic
    // The right comes first: a key learns nothing about logstores that are not its own.
    if (!mayWrite(principal.accessKey, name)) return noRight(project, name)
    const logstore = this.#catalog.findLogstore(project, name)
    return logstore === undefined ? unknownLogstore(project, name) : { logstore, variant: isJson ? 'json' : undefined }
  }

  /** The logstores that `principal` may write to; none if it is refused altogether. */
  listWritable(principal: Principal): Logstore[] {
    if (this.findRefusal(principal) !== undefined) return []
    return this.#catalog.listLogstores(principal.project).filter(({ name }) => mayWrite(principal.accessKey, name))
  }

  /** What is to be said against the principal, whatever the topic. */
  findRefusal({ project: name, accessKey, region = this.#region }: Principal): Refusal | undefined {
    const project = this.#catalog.findProject(name)
    if (project === undefined) return unknownProject(name)
    if (project.region !== region) return otherRegion(name, project.region, region)
    // A key that was deleted, or made again under the same id, is another object.
    if (accessKey === undefined || this.#catalog.findAccessKey(name, accessKey.id) !== accessKey) return badAccessKey(name)
    return undefined
  }
}

/**
 * The region that a host name carries (the TLS server name, say): REGION of `PROJECT.REGION.DOMAIN` and of
 * `PROJECT.REGION-intranet.DOMAIN`. Undefined of any other name.
 */
export function regionOfHost(serverName: string | undefined, project: string): string | undefined {
  const [first, second, domain] = serverName?.toLowerCase().split('.') ?? []
  if (first !== project || second === undefined || domain === undefined || domain === '') return undefined
  const region = second.replace(/-intranet$/, '')
  return isRegion(region) ? region : undefined
}

function mayWrite(accessKey: AccessKey | undefined, logstore: string): boolean {
  return accessKey !== undefined && (accessKey.logstores === null || accessKey.logstores.includes(logstore))
}

function unknownProject(project: string): Refusal {
  const message = isName(project)
    ? errorKinds.PROJECT_NOT_FOUND.message({ project })
    : `${errorKinds.INVALID_NAME.message({ what: 'project', name: shorten(project) })}; it is the user name of the SASL login`
  return { refusal: 'UNKNOWN_PROJECT', message }
}

function unknownLogstore(project: string, logstore: string): Refusal {
  const message = isName(logstore)
    ? errorKinds.LOGSTORE_NOT_FOUND.message({ project, logstore })
    : `${errorKinds.INVALID_NAME.message({ what: 'logstore', name: shorten(logstore) })}; it is the topic`
  return { refusal: 'UNKNOWN_LOGSTORE', message }
}

function otherRegion(project: string, home: string, region: string): Refusal {
  const message = `project "${project}" is in region "${home}", not in "${region}": connect to the host name of its own region`
  return { refusal: 'OTHER_REGION', message }
}

function badAccessKey(project: string): Refusal {
  const message = `the access key is not one of project "${project}": the SASL password is ACCESS_KEY_ID#ACCESS_KEY_SECRET of a key that "sluice key list ${project}" shows`
  return { refusal: 'BAD_ACCESS_KEY', message }
}

function noRight(project: string, logstore: string): Refusal {
  const name = JSON.stringify(shorten(logstore))
  const message = `this access key may not write to logstore ${name} of project "${project}": use a key that names it, or one for all logstores`
  return { refusal: 'NO_RIGHT', message }
}
