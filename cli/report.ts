import { z } from 'zod'
import { statusSchema } from '../shared/outcomes.ts'
import { sentenceOf, type Reply } from './api.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'

/** What a command has to say: to people, to scripts, and as an exit code. */
export interface Report {
  readonly text: string
  readonly json: unknown
  readonly exitCode: ExitCode
}

/** As the API shows a request. A fresh one has its id and status only. */
export const bookingViewSchema = z.object({
  requestId: z.string(),
  status: statusSchema,
  performanceId: z.string().optional(),
  sectionId: z.string().optional(),
  seatIds: z.array(z.string()).optional(),
  reason: z.object({ code: z.string(), seatIds: z.array(z.string()).optional() }).optional(),
})
export type BookingView = z.infer<typeof bookingViewSchema>

/** Prints a report: what went wrong to standard error, so that standard output holds results only. */
export function print(report: Report, { json = false }: { readonly json?: boolean }): void {
  if (json) console.log(JSON.stringify(report.json, undefined, 2))
  else if (report.exitCode === exitCodes.well) console.log(report.text)
  else console.error(report.text)
  process.exitCode = report.exitCode
}

export function bookingLine({
  requestId,
  status,
  performanceId,
  sectionId,
  seatIds,
  reason,
}: BookingView): string {
  const place = [performanceId, sectionId, seatIds?.join(', ')].filter((part) => part !== undefined)
  const why =
    reason && [reason.code, reason.seatIds?.join(', ')].filter((part) => part !== undefined).join(': ')
  return [status, requestId, ...place, ...(why === undefined ? [] : [`(${why})`])].join(' ')
}

/** A reply that is no booking: what it says instead. `hint` tells what to do where it is not known what happened. */
export function withoutBooking(reply: Reply, hint: string): Report {
  if (reply.kind === 'answer') {
    const text = sentenceOf(reply.body) ?? `the server answered ${reply.status}`
    return { text: `frontrow: ${text}`, json: reply.body, exitCode: exitCodes.refused }
  }
  const { why, exitCode } = reply
  const text = exitCode === exitCodes.unknown ? `${why}; it is not known whether it was done. ${hint}` : why
  return { text: `frontrow: ${text}`, json: { error: why, exitCode }, exitCode }
}
