/**
 * What a running sluice counts, for Prometheus. Figures that a part knows anyway are read from it when they are asked for, so
 * that nothing is counted twice.
 */
import { collectDefaultMetrics, Counter, Gauge, Registry, type Metric } from 'prom-client'

/** A figure that is read when it is asked for: one number, or one for each value of `label`. */
export interface Figure {
  name: string
  help: string
  /** How Prometheus treats it: a counter never falls. */
  kind: 'counter' | 'gauge'
  read: () => number | ReadonlyMap<string, number>
  label?: string
}

export function gauge(name: string, help: string, read: () => number): Figure {
  return { name, help, kind: 'gauge', read }
}

/** With `label`, `read` has a number for each of its values. */
export function counter(name: string, help: string, read: Figure['read'], label?: string): Figure {
  return { name, help, kind: 'counter', read, ...(label !== undefined && { label }) }
}

/** Figures of the process itself, for now. */
export function createMetrics(): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  return registry
}

export function addFigures(registry: Registry, figures: readonly Figure[]): void {
  for (const { name, help, kind, read, label } of figures) {
    const labelNames = label === undefined ? [] : [label]
    const options = { name: `sluice_${name}`, help, registers: [registry], labelNames, collect }
    const figure = kind === 'gauge' ? new Gauge(options) : new Counter(options)
    const put = (labels: Record<string, string>, value: number): void =>
      figure instanceof Gauge ? figure.set(labels, value) : figure.inc(labels, value)
    function collect(): void {
      figure.reset()
      const found = read()
      if (typeof found === 'number') put({}, found)
      else for (const [value, number] of found) put({ [label!]: value }, number)
    }
  }
}

/** How long something takes: returns what is to be called with each duration, in milliseconds. */
export function addDurations(registry: Registry, { name, help }: { name: string; help: string }): (ms: number) => void {
  const buckets = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10]
  const histogram = addHistogram(registry, { name, help, buckets })
  return ms => {
    const seconds = ms / 1000
    let bucket = 0
    while (seconds > buckets[bucket]!) bucket++
    histogram.counts[bucket]! += 1
    histogram.sum += seconds
  }
}

/**
 * How long things take that another process counts: returns what is to be called with how many more are in each bucket (and at the
 * end, how many are in none), and with how long they took together, in seconds. `buckets` are upper bounds in seconds.
 */
export function addCountedDurations(
  registry: Registry,
  options: { name: string; help: string; buckets: readonly number[] },
): (counts: readonly number[], sum: number) => void {
  const histogram = addHistogram(registry, options)
  return (counts, sum) => {
    for (const [bucket, count] of counts.entries()) histogram.counts[bucket]! += count
    histogram.sum += sum
  }
}

/** What a histogram has counted. */
interface Counted {
  /** In each bucket, not in those below it too, and at the end in none. */
  counts: number[]
  /** Of all durations, in seconds. */
  sum: number
}

/** prom-client's own takes observations one by one, and looks for the labels, of which there are none, with each. */
function addHistogram(
  registry: Registry,
  { name, help, buckets }: { name: string; help: string; buckets: readonly number[] },
): Counted {
  const metric = `sluice_${name}_seconds`
  const counted: Counted = { counts: new Array<number>(buckets.length + 1).fill(0), sum: 0 }
  const get = () => {
    let count = 0
    const values: { metricName: string; labels: { le?: number | string }; value: number }[] = []
    for (const [bucket, le] of [...buckets, '+Inf'].entries())
      values.push({ metricName: `${metric}_bucket`, labels: { le }, value: (count += counted.counts[bucket]!) })
    values.push({ metricName: `${metric}_sum`, labels: {}, value: counted.sum })
    values.push({ metricName: `${metric}_count`, labels: {}, value: count })
    return Promise.resolve({ name: metric, help, type: 'histogram', values, aggregator: 'sum' })
  }
  // Of a metric the registry asks only this.
  registry.registerMetric({ name: metric, get } as unknown as Metric)
  return counted
}
