import { z } from 'zod'
import { idSchema } from './ids.ts'

/** What one batch changed in one section, net: a seat is in one of the lists at most. */
export const seatChangeSchema = z.object({
  performanceId: idSchema,
  sectionId: idSchema,
  freed: z.array(idSchema),
  taken: z.array(idSchema),
})

export type SeatChange = z.infer<typeof seatChangeSchema>
