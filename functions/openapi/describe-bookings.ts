import { z } from 'zod'
import { requestIdSchema } from '../../shared/ids.ts'
import { statusSchema } from '../../shared/outcomes.ts'
import { bookingRequestSchema } from '../accept-booking.ts'
import { bookingViewSchema } from '../booking-view.ts'
import type { AnswerDescription, Operation } from './operation.ts'
import { cursorSchema, pageLimitSchema, nextSchema } from './describe-pages.ts'

const REQUEST_ID = '30d7c2a41f7a9be6c3f0a5d8e1b2c3d4e5f6'

const wishExample = { performanceId: 'hamlet-0101', sectionId: 'A', seatIds: ['1-17', '1-18'] }

const bookingExample = {
  requestId: REQUEST_ID,
  status: 'CONFIRMED',
  ...wishExample,
  requestedAt: '2026-12-01T10:00:00.012Z',
  decidedAt: '2026-12-01T10:00:00.031Z',
}

const underWaySchema = z
  .object({ requestId: requestIdSchema, status: statusSchema })
  .meta({ id: 'UnderWay', description: 'A request, and its status as far as it is known here and now.' })

const viewSchema = bookingViewSchema.meta({
  id: 'Booking',
  description: 'A request and what became of it.',
})

const params = z.object({
  requestId: z.string().meta({ description: 'The id that the request was given.', examples: [REQUEST_ID] }),
})

/** A booking may be lying in MySQL alone, which may be away. */
const reads = ['not-found', 'unavailable'] as const
const writes = ['overloaded', 'unavailable', 'answer-unknown'] as const

const underWay: AnswerDescription = {
  description: 'Accepted, and durable. It will be decided; `Location` tells.',
  headers: ['Location', 'Retry-After'],
  schema: underWaySchema,
  example: { requestId: REQUEST_ID, status: 'PENDING' },
}

const booking: AnswerDescription = {
  description: 'The request and what became of it.',
  schema: viewSchema,
  example: bookingExample,
}

export const createBooking: Operation = {
  id: 'createBooking',
  tag: 'bookings',
  summary: 'Ask for seats',
  description:
    'All the seats of a request are booked, or none. The same key and body mean the same request, whose outcome is answered once it is known; after `REJECTED` or `CANCELLED` a new try needs a new key. Where an operator wishes so, seats that another booking has are refused at once (`409`), which stores nothing.',
  identity: 'customer',
  headers: ['Idempotency-Key', 'Prefer', 'traceparent'],
  body: { schema: bookingRequestSchema.meta({ id: 'BookingRequest' }), example: wishExample },
  answers: {
    200: { ...booking, headers: ['Location', 'Preference-Applied', 'RateLimit-Policy', 'RateLimit'] },
    202: {
      ...underWay,
      headers: ['Location', 'Retry-After', 'Preference-Applied', 'RateLimit-Policy', 'RateLimit'],
    },
  },
  problems: [
    'malformed-json',
    'idempotency-key-missing',
    'idempotency-key-malformed',
    'body-too-large',
    'unsupported-media-type',
    'validation',
    'seats-taken',
    'idempotency-key-reused',
    'rate-limited',
    ...writes,
  ],
}

export const listBookings: Operation = {
  id: 'listBookings',
  tag: 'bookings',
  summary: 'Your decided requests, newest first',
  identity: 'customer',
  query: z.object({ limit: pageLimitSchema, cursor: cursorSchema }),
  answers: {
    200: {
      description: 'A page of them.',
      schema: z.object({ bookings: z.array(viewSchema), next: nextSchema }).meta({ id: 'BookingPage' }),
      example: { bookings: [bookingExample], next: 'WzE3OTU5MTA0MDBd' },
    },
  },
  problems: ['validation', 'unavailable'],
}

export const getBooking: Operation = {
  id: 'getBooking',
  tag: 'bookings',
  summary: 'What became of a request',
  identity: 'customer',
  headers: ['Prefer'],
  params,
  answers: { 200: { ...booking, headers: ['Content-Location', 'Retry-After', 'Preference-Applied'] } },
  problems: [...reads],
}

export const cancelBooking: Operation = {
  id: 'cancelBooking',
  tag: 'bookings',
  summary: 'Give the seats back',
  description:
    'Queues behind the booking itself. The same resource turns `CANCELLED`; a request that is not booked stays what it is.',
  identity: 'customer',
  headers: ['traceparent'],
  params,
  answers: { 202: { ...underWay, example: { requestId: REQUEST_ID, status: 'CONFIRMED' } } },
  problems: [...reads, 'performance-started', ...writes],
}
