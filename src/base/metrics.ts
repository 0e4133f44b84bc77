/**
 * What a running sluice counts, for Prometheus. Figures that a part knows anyway are read from it when they are asked for, so
 * that nothing is counted twice.
 */
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client'

/** A figure that is read when it is asked for. `kind` is how Prometheus treats it: a counter never falls. */
export interface Figure {
  name: string
  help: string
  kind: 'counter' | 'gauge'
  read: () => number
}

export function createMetrics(figures: readonly Figure[]): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  for (const { name, help, kind, read } of figures) {
    const options = { name: `sluice_${name}`, help, registers: [registry] }
    if (kind === 'gauge') new Gauge({ ...options, collect() { this.set(read()) } }) // prettier-ignore
    else new Counter({ ...options, collect() { this.reset(); this.inc(read()) } }) // prettier-ignore
  }
  return registry
}
