/** The stages of the way to the acknowledgement in docs/performance.md. */
import { plotBars } from '../../tools/plot/bars.ts'
import { formatNumber, formatTable, type Section } from '../report/markdown.ts'
import { describeMachine, readResults } from '../results.ts'
import { formatBytes, OWN, SUM, WHOLE, type Row } from './rows.ts'

export function makeMicroSection(directory: string): Section | undefined {
  const results = readResults<Row>(directory, 'micro')
  if (results === undefined) return undefined
  const { rows } = results
  const sizes = [...new Set(rows.map(({ requestBytes }) => requestBytes))]
  const stages = [...new Set(rows.map(({ stage }) => stage))]
  const find = (stage: string, bytes: number): Row | undefined =>
    rows.find(row => row.stage === stage && row.requestBytes === bytes)
  const table = (stages: string[], of: (row: Row | undefined) => number | null | undefined): string =>
    formatTable(
      ['stage', ...sizes.map(formatBytes)],
      stages.map(stage => [stage, ...sizes.map(bytes => formatNumber(of(find(stage, bytes)) ?? undefined))]),
    )
  const allocating = stages.filter(stage => sizes.some(bytes => find(stage, bytes)?.allocatedBytes != null))
  const parts = [
    '## Taking logs, stage by stage',
    `What each stage between the socket and the acknowledgement takes by itself of the process that acknowledges, without compression. ` +
      'The journal is measured with a disk that syncs and without any, and what the disk adds is a stage of its own. _' +
      `${OWN}_ is everything between TLS and the disk in one go, from the bytes of a request to those of its answer; _${WHOLE}_ a server under 8 ` +
      `connections that send the same requests. What they take beyond their stages, and beyond the _${SUM}_, lies between them. ` +
      describeMachine(results),
    'CPU per request, in µs:',
    table(stages, row => row && row.nsPerRequest / 1000),
    'CPU seconds per GB of logs:',
    table(stages, row => row && row.nsPerKilobyte / 1000),
    'Memory that a request allocates, in bytes, where it can be told:',
    table(allocating, row => row?.allocatedBytes),
    '![CPU of each stage](performance/micro.svg)',
  ]
  const single = stages.filter(stage => ![OWN, SUM, WHOLE].includes(stage))
  const drawing = plotBars({
    title: 'CPU of each stage, by the size of requests',
    systems: ['CPU'],
    panels: sizes.map(bytes => ({
      title: formatBytes(bytes),
      unit: 'µs/request',
      groups: single.map(stage => ({ name: stage, values: [(find(stage, bytes)?.nsPerRequest ?? 0) / 1000] })),
    })),
  })
  return { markdown: `${parts.join('\n\n')}\n`, drawings: { 'micro.svg': drawing } }
}
