import { randomUUID } from 'node:crypto'
import type { Command } from 'commander'
import { createApi, withApiOptions, type Api, type ApiOptions } from './api.ts'
import { awaitBooking, parseWait, preference, waitOption, waitSeconds } from './await-outcome.ts'
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
  readonly key?: string
  readonly wait?: number | true
  readonly json?: true
}

export function registerBook(program: Command): void {
  withApiOptions(program.command('book'))
    .description('asks for seats')
    .argument('<performance>')
    .argument('<section>')
    .argument('<seats...>', '1 to 10 seats: row, hyphen, label')
    .option(
      '--key <key>',
      'Idempotency-Key: the same key and seats are the same request (default: a new one)',
    )
    .option(...waitOption, parseWait)
    .action(async (performanceId: string, sectionId: string, seatIds: string[], options: Options) => {
      const { key = randomUUID() } = options
      const wish = { performanceId, sectionId, seatIds }
      print(await book(createApi(options), wish, key, waitSeconds(options.wait)), options)
    })
}

interface Wish {
  readonly performanceId: string
  readonly sectionId: string
  readonly seatIds: readonly string[]
}

async function book(api: Api, wish: Wish, key: string, seconds: number): Promise<Report> {
  const again = `Try again with --key ${key}: that books once at most.`
  const accepted = await api.ask({
    method: 'POST',
    path: '/bookings',
    json: wish,
    headers: { 'idempotency-key': key, ...preference(seconds) },
  })
  const fresh = accepted.kind === 'answer' ? bookingViewSchema.safeParse(accepted.body).data : undefined
  if (fresh === undefined) return withoutBooking(accepted, again)
  if (fresh.status !== 'PENDING' || seconds === 0) return reportOf(fresh, seconds, again)
  const settled = await awaitBooking(api, fresh.requestId, ({ status }) => status !== 'PENDING', seconds)
  const found = settled.kind === 'answer' ? bookingViewSchema.safeParse(settled.body).data : undefined
  return reportOf(found ?? fresh, seconds, again)
}

/** Accepted is well if that is all that was asked for; who waits wants to hear how it ended. */
function reportOf(booking: BookingView, seconds: number, again: string): Report {
  const line = bookingLine(booking)
  switch (booking.status) {
    case 'CONFIRMED':
      return { text: line, json: booking, exitCode: exitCodes.well }
    case 'REJECTED':
    case 'CANCELLED':
      return { text: line, json: booking, exitCode: exitCodes.refused }
    case 'PENDING':
      return seconds === 0
        ? { text: `${line}\nfrontrow status ${booking.requestId}`, json: booking, exitCode: exitCodes.well }
        : { text: `${line}\nThere is no outcome yet. ${again}`, json: booking, exitCode: exitCodes.unknown }
  }
}
