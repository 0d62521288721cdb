import type { Command } from 'commander'
import { z } from 'zod'
import { createApi, withApiOptions, type ApiOptions } from './api.ts'
import { exitCodes } from './exit-codes.ts'
import { print, withoutBooking, type Report } from './report.ts'

const seatsSchema = z.object({
  performanceId: z.string(),
  sectionId: z.string(),
  rows: z.array(z.object({ id: z.string(), seats: z.array(z.string()) })),
  taken: z.array(z.string()),
})

export function registerSeats(program: Command): void {
  withApiOptions(program.command('seats'))
    .description('shows a section and which of its seats are taken')
    .argument('<performance>')
    .argument('<section>')
    .action(async (performanceId: string, sectionId: string, options: ApiOptions & { json?: true }) => {
      const [performance, section] = [performanceId, sectionId].map(encodeURIComponent)
      const path = `/performances/${performance ?? ''}/sections/${section ?? ''}/seats`
      const reply = await createApi(options).ask({ method: 'GET', path })
      const seats = reply.kind === 'answer' ? seatsSchema.safeParse(reply.body).data : undefined
      print(seats === undefined ? withoutBooking(reply, 'Try again.') : reportOf(seats), options)
    })
}

/** A line a row: the label of each seat that is free, a dot for each that is taken. */
function reportOf(section: z.infer<typeof seatsSchema>): Report {
  const taken = new Set(section.taken)
  const all = section.rows.flatMap(({ id, seats }) => seats.map((seat) => `${id}-${seat}`))
  const free = all.filter((seat) => !taken.has(seat)).length
  const nameWidth = Math.max(0, ...section.rows.map(({ id }) => id.length))
  const lines = section.rows.map(({ id, seats }) => {
    const places = seats.map((seat) => (taken.has(`${id}-${seat}`) ? '·' : seat).padStart(seat.length))
    return `  ${id.padEnd(nameWidth)}  ${places.join(' ')}`
  })
  const head = `${section.performanceId}, section ${section.sectionId}: ${free} of ${all.length} seats free`
  return { text: [head, ...lines].join('\n'), json: section, exitCode: exitCodes.well }
}
