/**
 * Mocha's own report, and at its very end one line that programs can read: `N passed, N failed, N skipped`.
 */
import Mocha from 'mocha'

export default class SluiceReporter extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options)
    // Behind the listener of the report itself, which prints the failures.
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats
      Mocha.reporters.Base.consoleLog(`${passes} passed, ${failures} failed, ${pending} skipped`)
    })
  }
}
