import type { z } from 'zod'
import type { ProblemName } from '../problem.ts'
import type { RequestHeader, ResponseHeader } from './headers.ts'

/** What the document says of one route: enough that no answer of it is left unsaid. */
export interface Operation {
  readonly id: string
  readonly tag: Tag
  readonly summary: string
  readonly description?: string
  readonly identity: 'none' | 'customer' | 'admin'
  readonly params?: z.ZodObject
  readonly query?: z.ZodObject
  readonly headers?: readonly RequestHeader[]
  readonly body?: { readonly schema: z.ZodType; readonly example: unknown }
  /** What it answers when all is well, by status. */
  readonly answers: Readonly<Record<number, AnswerDescription>>
  /** How it says no, beyond what every operation may say. */
  readonly problems: readonly ProblemName[]
}

export interface AnswerDescription {
  readonly description: string
  readonly headers?: readonly ResponseHeader[]
  /** `application/json` unless another type is named; neither: no body. */
  readonly schema?: z.ZodType
  readonly contentType?: string
  readonly example?: unknown
}

/** Chapters of the document. */
export const tags = {
  bookings: 'Asking for seats, and what became of it.',
  catalogue: 'Performances, their sections and seats.',
  operations: 'For those who run it.',
} as const

type Tag = keyof typeof tags

/** What any operation may answer: what the HTTP server refuses by itself, and our last resort. */
export const everywhere: readonly ProblemName[] = [
  'bad-request',
  'request-timeout',
  'headers-too-large',
  'internal',
]

/** What identity may be answered. */
export const identityProblems = {
  none: [],
  customer: ['unauthenticated', 'unavailable'],
  admin: ['unauthenticated', 'forbidden', 'unavailable'],
} as const satisfies Record<Operation['identity'], readonly ProblemName[]>
