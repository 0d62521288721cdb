import type { Answer } from './answer.ts'
import { locationOf } from './booking-view.ts'
import type { AcceptAnswer } from './metrics.ts'
import type { Ports } from './ports.ts'
import { overloaded, problem, unavailable } from './problem.ts'
import { allowanceOf } from './rate-limit.ts'
import type { Run } from './run-on-shard.ts'

/** Counts how an accept ended and says no where it did not end well; undefined if it was accepted, now or before. */
export function notAcceptedAnswer(
  { metrics, limits }: Pick<Ports, 'metrics' | 'limits'>,
  command: 'book' | 'cancel',
  requestId: string,
  run: Run,
): Answer | undefined {
  const code = run.kind === 'answer' ? codeOf(run.answer[0]) : run.kind
  metrics.countAccept(command, code)
  switch (code) {
    case 'accepted':
    case 'known':
      return undefined
    case 'mismatch':
      return problem(
        'idempotency-key-reused',
        'This Idempotency-Key came before with another body. Draw a new one.',
      )
    case 'rate':
      return rateLimited(allowanceOf(limits, run)?.resetSeconds ?? 1)
    case 'taken':
      return seatsTaken(run)
    case 'memory':
    case 'backlog':
      return overloaded()
    case 'unavailable':
      return unavailable('Requests cannot be accepted at the moment. Nothing was accepted.')
    case 'unknown':
      return answerUnknown(requestId)
  }
}

const codes: readonly AcceptAnswer[] = ['accepted', 'known', 'mismatch', 'rate', 'taken', 'memory', 'backlog']

function codeOf(word: string | number | undefined): AcceptAnswer {
  const code = codes.find((known) => known === word)
  // A script that answers otherwise is another version's: what it did is not known.
  return code ?? 'unknown'
}

function rateLimited(seconds: number): Answer {
  return problem('rate-limited', 'You have made too many requests. Nothing was accepted.', {
    headers: { 'retry-after': String(seconds) },
  })
}

/** What the decision would be, said at once. */
function seatsTaken(run: Run): Answer {
  const [, seats] = run.kind === 'answer' ? run.answer : []
  const seatIds = String(seats).split(',')
  return problem('seats-taken', `Another booking has ${seatIds.join(', ')}. Nothing was accepted.`, {
    members: { seatIds },
  })
}

/** Neither yes nor no. */
function answerUnknown(requestId: string): Answer {
  return problem(
    'answer-unknown',
    'The request was sent on, and no answer came. Retry with the same key: it has one effect at most.',
    { headers: { location: locationOf(requestId), 'retry-after': '1' }, members: { requestId } },
  )
}
