/** Opens a journal's directory for a command that looks into it. */
import { isSystemError, sluiceError } from '../base/errors.ts'
import { nodeFiles } from '../base/files.ts'
import { listJournal, type JournalFiles } from '../journal/inspection.ts'

export async function openJournalDirectory(directory: string): Promise<JournalFiles> {
  try {
    return await listJournal(nodeFiles, directory)
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
    throw sluiceError('INVALID_ARGUMENT', { problem: `there is no journal: ${directory} does not exist` }, error)
  }
}
