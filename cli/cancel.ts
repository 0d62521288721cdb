import type { Command } from 'commander'
import { createApi, withApiOptions, type Api, type ApiOptions } from './api.ts'
import { awaitBooking, parseWait, waitOption, waitSeconds } from './await-outcome.ts'
import { exitCodes } from './exit-codes.ts'
import {
  bookingLine,
  bookingViewSchema,
  print,
  withoutBooking,
  type BookingView,
  type Report,
} from './report.ts'

interface Options extends ApiOptions {
  readonly wait?: number | true
  readonly json?: true
}

const AGAIN = 'Cancelling again is safe.'

export function registerCancel(program: Command): void {
  withApiOptions(program.command('cancel'))
    .description('gives a booking back')
    .argument('<request>', 'id that `book` printed')
    .option(...waitOption, parseWait)
    .action(async (requestId: string, options: Options) => {
      print(await cancel(createApi(options), requestId, waitSeconds(options.wait)), options)
    })
}

/** Decided either way: the booking is no more, or a reason says why it stays. */
function isSettled({ status, reason }: BookingView): boolean {
  return status === 'CANCELLED' || status === 'REJECTED' || (status === 'CONFIRMED' && reason !== undefined)
}

async function cancel(api: Api, requestId: string, seconds: number): Promise<Report> {
  const accepted = await api.ask({ method: 'DELETE', path: `/bookings/${encodeURIComponent(requestId)}` })
  const fresh = accepted.kind === 'answer' ? bookingViewSchema.safeParse(accepted.body).data : undefined
  if (fresh === undefined) return withoutBooking(accepted, AGAIN)
  if (seconds === 0) {
    const text = `Accepted.\nfrontrow status ${fresh.requestId}`
    return { text, json: fresh, exitCode: exitCodes.well }
  }
  const settled = await awaitBooking(api, fresh.requestId, isSettled, seconds)
  const found = settled.kind === 'answer' ? bookingViewSchema.safeParse(settled.body).data : undefined
  return reportOf(found ?? fresh)
}

function reportOf(booking: BookingView): Report {
  const line = bookingLine(booking)
  if (booking.status === 'CANCELLED') return { text: line, json: booking, exitCode: exitCodes.well }
  return isSettled(booking)
    ? { text: line, json: booking, exitCode: exitCodes.refused }
    : { text: `${line}\nIt is not cancelled yet. ${AGAIN}`, json: booking, exitCode: exitCodes.unknown }
}
