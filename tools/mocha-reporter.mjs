/**
 * Mocha's own report, and at its very end one line that programs can read: `N passed, N failed, N skipped`. Whoever waits for the process is
 * not left waiting: if something that a test has left behind keeps it alive, it says what, and fails.
 */
import Mocha from 'mocha'

const endsWithinMs = 30_000

export default class SluiceReporter extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options)
    // Behind the listener of the report itself, which prints the failures.
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats
      Mocha.reporters.Base.consoleLog(`${passes} passed, ${failures} failed, ${pending} skipped`)
      setTimeout(endProcess, endsWithinMs).unref()
    })
  }
}

function endProcess() {
  const left = process.getActiveResourcesInfo().join(', ')
  console.error(`the tests have ended ${endsWithinMs / 1000} s ago, but something that they have left is still open: ${left}`)
  // Behind the listener of Mocha, which sets the code that the tests have ended with.
  process.once('exit', () => (process.exitCode ||= 1))
  process.exit()
}
