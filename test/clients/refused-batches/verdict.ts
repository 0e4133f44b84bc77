/**
 * What a producer was told of its logs, and what is stored, side by side.
 */
export interface Stream {
  topic: string
  partition: number
}

/** A log, by what stands in it: each is the n-th of its stream. */
export interface Log extends Stream {
  n: number
}

/** How the value of a log begins, as the driver writes it. */
export function beginningOf({ topic, partition, n }: Log): string {
  return `{"topic":"${topic}","partition":${partition},"n":${n},`
}

/** What the driver prints: of each log the delivery report. */
export interface Report {
  librdkafka: string
  streams: (Stream & { delivered: number[]; failed: { n: number; error: string }[] })[]
  /** Errors after which the producer is of no use any more. */
  fatal: string[]
}

/** Logs by the names of `nameOf`. */
export interface Verdict {
  /** Reported as delivered, and not stored: the loss that nobody is told of. */
  lost: string[]
  /** Stored more than once. */
  repeated: string[]
  /** Stored behind one that was sent later in its stream. */
  disordered: string[]
  /** Sent, and not reported exactly once. */
  unreported: string[]
  /** Stored, although reported as failed: no loss, but sent again by whoever believes the report. */
  storedAndFailed: string[]
  /** Reported as failed, and not stored. */
  failed: string[]
  fatal: string[]
}

/** Compares the reports on `messages` logs of each stream with the rows, which are in the order of arrival. */
export function judge(report: Report, rows: readonly Log[], messages: number): Verdict {
  const stored = new Map<string, number>()
  const disordered: string[] = []
  const latest = new Map<string, number>()
  for (const row of rows) {
    const name = nameOf(row)
    stored.set(name, (stored.get(name) ?? 0) + 1)
    const stream = `${row.topic}/${row.partition}`
    const before = latest.get(stream) ?? -1
    if (row.n < before) disordered.push(name)
    else latest.set(stream, row.n)
  }
  const delivered = report.streams.flatMap(({ delivered, ...stream }) => delivered.map(n => nameOf({ ...stream, n })))
  const failed = report.streams.flatMap(({ failed, ...stream }) => failed.map(({ n }) => nameOf({ ...stream, n })))
  const reports = new Map<string, number>()
  for (const name of [...delivered, ...failed]) reports.set(name, (reports.get(name) ?? 0) + 1)
  const sent = report.streams.flatMap(stream => Array.from({ length: messages }, (_, n) => nameOf({ ...stream, n })))
  return {
    lost: delivered.filter(name => !stored.has(name)),
    repeated: [...stored].filter(([, times]) => times > 1).map(([name]) => name),
    disordered,
    unreported: sent.filter(name => reports.get(name) !== 1),
    storedAndFailed: failed.filter(name => stored.has(name)),
    failed: failed.filter(name => !stored.has(name)),
    fatal: report.fatal,
  }
}

function nameOf({ topic, partition, n }: Log): string {
  return `${topic}/${partition} ${n}`
}
