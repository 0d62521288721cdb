import type { Command } from 'commander'
import { createApi, withApiOptions, type ApiOptions } from './api.ts'
import { awaitBooking, parseWait, waitOption, waitSeconds } from './await-outcome.ts'
import { exitCodes } from './exit-codes.ts'
import { bookingLine, bookingViewSchema, print, withoutBooking, type Report } from './report.ts'

interface Options extends ApiOptions {
  readonly wait?: number | true
  readonly json?: true
}

export function registerStatus(program: Command): void {
  withApiOptions(program.command('status'))
    .description('shows what became of a request')
    .argument('<request>', 'id that `book` printed')
    .option(...waitOption, parseWait)
    .action(async (requestId: string, options: Options) => {
      print(await status(requestId, options), options)
    })
}

/** Shown is well, whatever the status: it is what was asked for. Only a wait that was in vain is not. */
async function status(requestId: string, options: Options): Promise<Report> {
  const seconds = waitSeconds(options.wait)
  const reply = await awaitBooking(
    createApi(options),
    requestId,
    (found) => found.status !== 'PENDING',
    seconds,
  )
  const booking = reply.kind === 'answer' ? bookingViewSchema.safeParse(reply.body).data : undefined
  if (booking === undefined) return withoutBooking(reply, 'Try again.')
  const inVain = booking.status === 'PENDING' && seconds > 0
  return { text: bookingLine(booking), json: booking, exitCode: inVain ? exitCodes.unknown : exitCodes.well }
}
