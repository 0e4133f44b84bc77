/** Where the benchmarks keep what they build and fetch, and where they put what they measured. */
import { fileURLToPath } from 'node:url'

// From the compiled file.
export const root = fileURLToPath(new URL('../../..', import.meta.url))
/** May be removed at any time; it is made again. */
export const cacheDirectory = `${root}bench/.cache`
export const resultsDirectory = `${root}bench/results`
