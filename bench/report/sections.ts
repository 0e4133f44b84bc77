/** The sections of docs/performance.md, in their order; each is left out while nothing was measured for it. */
import { makeMicroSection } from '../micro/section.ts'
import { makePipelineSection } from '../pipeline/section.ts'
import { makeProfileSection } from '../profile/section.ts'
import { makeProduceSection } from '../produce/section.ts'
import { makeScaleSection } from '../scale/section.ts'
import type { Section } from './markdown.ts'

/** Each looks for its own files in the directory of results. */
export const sections: readonly ((resultsDirectory: string) => Section | undefined)[] = [
  makeProduceSection,
  makePipelineSection,
  makeScaleSection,
  makeMicroSection,
  makeProfileSection,
]
