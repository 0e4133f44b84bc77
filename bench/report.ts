/**
 * Writes docs/performance.md and its drawings anew, from what the benchmarks have left in bench/results:
 *
 *     npm run bench -- report
 */
import { writeReport } from './report/write.ts'

await writeReport()
