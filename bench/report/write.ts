/** Writes docs/performance.md and its drawings from the results of the benchmarks. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { resultsDirectory, root } from '../load/paths.ts'
import { sections } from './sections.ts'

const HEAD = `# Performance

What sluice costs, beside other systems on the same machine under the same load. This file is written by \`npm run bench -- report\`, from
what benchmarks have left in \`bench/results/\`; \`npm run bench\` lists them. Ratios are what can be compared with other machines,
absolute values are for the record.
`

/** As that of the other documents. */
const PRINT_WIDTH = 140

export interface ReportPlaces {
  /** Where the results are. */
  results: string
  /** Where performance.md goes, with a directory of drawings beside it. */
  docs: string
}

export async function writeReport(places: ReportPlaces = { results: resultsDirectory, docs: join(root, 'docs') }): Promise<void> {
  const made = sections.flatMap(make => make(places.results) ?? [])
  const drawings = join(places.docs, 'performance')
  rmSync(drawings, { recursive: true, force: true })
  mkdirSync(drawings, { recursive: true })
  for (const section of made)
    for (const [name, svg] of Object.entries(section.drawings ?? {})) writeFileSync(join(drawings, name), svg)
  const path = join(places.docs, 'performance.md')
  const style = await resolveConfig(join(root, 'docs', 'performance.md'))
  const options = { ...style, filepath: path, proseWrap: 'always', printWidth: PRINT_WIDTH } as const
  writeFileSync(path, await format([HEAD, ...made.map(({ markdown }) => markdown)].join('\n'), options))
}
