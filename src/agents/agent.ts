/**
 * What an agent of the field is to sluice: how it is configured, how one sees that it works, and what it says when it does not.
 * `sluice agent-config` and the pages of docs/agents are made of the same descriptions.
 */
import type { Cause } from './causes.ts'

/** Where an agent is to send, and as whom. */
export interface Target {
  host: string
  port: number
  project: string
  logstore: string
  /** The file with the CA that the agent has to trust; absent where the authorities of its system will do. */
  ca?: string | undefined
  /** `ID#SECRET`, if it is to be written down: otherwise the agent is told where else to look for it. */
  password?: string | undefined
  /** What stands for the password where an agent has no place for it but its file, and it is not known. */
  placeholder: string
  /** Whether it is a trusted listener, which has neither TLS nor a login. */
  isTrusted: boolean
}

/** What else may be in the way than the causes that all agents know. */
export interface Mistake {
  /** In the agent's own words. */
  says: string
  cause: string
  fix: string
}

export interface Agent {
  /** As the command line has it, and the file of its page. */
  name: string
  title: string
  /** One line. */
  about: string
  /** What its configuration is written in. */
  language: 'yaml' | 'toml' | 'json' | 'conf'
  /** Where the configuration goes. */
  file: string
  /** `none`: it speaks neither TLS nor SASL, and needs a trusted listener. `both`: it can do without. */
  security: 'tls' | 'both' | 'none'
  configure: (target: Target) => string
  /** Another way to configure it, for the page alone. */
  variant?: { title: string; about: string; configure: (target: Target) => string }
  /** Where the password comes from if it is not in the configuration, as a sentence. */
  password: string
  /** What makes that no log is lost, or what it may lose all the same; sentences. */
  keeps: readonly string[]
  /** How to see that it works, as Markdown. */
  check: string
  /** What it prints, and what then becomes of the logs. */
  says: Readonly<Partial<Record<Cause, string>>>
  /** What it does with the logs that were refused, as a sentence. */
  then: string
  mistakes?: readonly Mistake[]
}

/** The variable that agents take the password from, where they can. */
export const passwordVariable = 'SLUICE_PASSWORD'

/** The lines of a configuration that are there. */
export function lines(...given: (string | false | undefined)[]): string {
  return `${given.filter(line => typeof line === 'string').join('\n')}\n`
}

/** `HOST:PORT`, also of an IPv6 address. */
export function addressOf({ host, port }: Target): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
