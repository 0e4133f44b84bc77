/** What is measured: a stage, for requests of a size. */

export interface Row {
  stage: string
  requestBytes: number
  nsPerRequest: number
  nsPerKilobyte: number
  /** Null where it cannot be told. */
  allocatedBytes: number | null
}

/** The lines that are not a stage by themselves: several stages together. */
export const OWN = 'own code'
export const SUM = 'sum'
export const WHOLE = 'whole server'

export function formatBytes(bytes: number): string {
  if (bytes >= 1e6) return `${bytes / 1e6} MB`
  return `${Math.round(bytes / (bytes % 1024 === 0 ? 1024 : 1000))} KB`
}
