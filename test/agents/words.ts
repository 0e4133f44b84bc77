/** What agents say when something is wrong, in what they have printed. */
import { shorten } from '../clients/page.ts'

const COMPLAINS =
  /fail|error|refus|denied|not authori[sz]ed|unknown|not (found|present|exist)|timed? ?out|too large|discard|drop|terminat/i

/** Times, levels, process ids and the names of threads, before what is said. */
const PREFIX =
  /^(%\d\|[\d.]+\||[A-Z]+\|rdkafka#producer-\d+\||\[thrd:[^\]]*\]:|\[?\d{4}[-/]\d\d[-/]\d\d[T ][\d:.,]+(Z|[+-][\d:]+)?\]?|\[?(E!|W!|ERROR|WARN|error|warn)\]? |[|:\s-]+)+/

/** What differs from log to log: the log itself. */
const DETAILS = / - KEY .*| try https:.*/

/** Lines that say nothing of what is wrong: that a connection has ended, where in a program something was, an empty queue. */
const IDLE = /Disconnected|\]: \d+\/\d+ brokers are down|^\s*go\.opentelemetry\.io|metadata key not found/

/** The first line that complains, without what differs from run to run; empty if there is none. */
export function findComplaint(printed: string, logstore: string): string {
  const line = printed.split('\n').find(line => COMPLAINS.test(line) && !IDLE.test(line)) ?? ''
  const said = line.replace(PREFIX, '').replace(DETAILS, '').replaceAll(logstore, 'nginx')
  return shorten(said)
}

/** Whether the words of a page are there: what stands for hosts and left out parts there may be anything. */
export function isSaid(printed: string, says: string, logstore: string): boolean {
  const parts = says.split(/…|ipv4#[\d.:]+|logs\.example\.com\S*|192\.0\.2\.10:\d+/)
  const pattern = parts.map(part => part.trim().replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')
  return new RegExp(pattern.replaceAll('nginx', logstore)).test(printed)
}
