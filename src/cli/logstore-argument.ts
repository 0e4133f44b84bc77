/**
 * `PROJECT/LOGSTORE`, as commands name a logstore.
 */
import { sluiceError } from '../base/errors.ts'

/** What it names, and the path of the control API to it. Throws INVALID_ARGUMENT. */
export function parseLogstoreName(text: string): { project: string; logstore: string; path: string } {
  const [project, logstore, ...rest] = text.split('/')
  if (project === undefined || logstore === undefined || logstore === '' || rest.length > 0)
    throw sluiceError('INVALID_ARGUMENT', { problem: `${JSON.stringify(text)} does not name a logstore: write PROJECT/LOGSTORE` })
  return { project, logstore, path: `/v1/projects/${encodeURIComponent(project)}/logstores/${encodeURIComponent(logstore)}` }
}
