import { z } from 'zod'
import { idSchema, MAX_SEATS_PER_REQUEST, requestIdSchema } from '../../shared/ids.ts'
import { problem, problems, type ProblemName } from '../problem.ts'
import type { ResponseHeader } from './headers.ts'

const validationErrorSchema = z.object({
  pointer: z.string().meta({ description: 'JSON pointer to what is wrong, as a URI fragment (RFC 6901).' }),
  detail: z.string(),
})

/** A problem document as clients see it. */
export const problemSchema = z
  .object({
    type: z.string().meta({ description: 'Stable: what clients decide by.' }),
    title: z.string().meta({ description: 'For people; may be reworded.' }),
    status: z.number().int().min(400).max(599),
    detail: z.string().meta({ description: 'For people; may be reworded.' }),
    errors: z
      .array(validationErrorSchema)
      .max(50)
      .optional()
      .meta({ description: 'What does not validate.' }),
    seats: z
      .array(z.object({ sectionId: idSchema, seatId: idSchema }))
      .optional()
      .meta({ description: 'Sold seats that would vanish; the first hundred.' }),
    seatIds: z
      .array(idSchema)
      .max(MAX_SEATS_PER_REQUEST)
      .optional()
      .meta({ description: 'Seats of the request that another booking has.' }),
    requestId: requestIdSchema.optional().meta({ description: 'The request of which nothing is known.' }),
  })
  .meta({ id: 'Problem', description: 'A problem document (RFC 9457).' })

/** Members of examples beyond those of every problem. */
const members: Partial<Record<ProblemName, Readonly<Record<string, unknown>>>> = {
  validation: { errors: [{ pointer: '#/seatIds', detail: 'must not name a seat twice' }] },
  'seats-sold': { seats: [{ sectionId: 'A', seatId: '1-17' }] },
  'seats-taken': { seatIds: ['1-17'] },
  'answer-unknown': { requestId: '30d7c2a41f7a9be6c3f0a5d8e1b2c3d4e5f6' },
}

const headers: Partial<Record<ProblemName, readonly ResponseHeader[]>> = {
  unauthenticated: ['WWW-Authenticate'],
  forbidden: ['WWW-Authenticate'],
  'headers-too-large': ['Connection'],
  'request-timeout': ['Connection'],
  'rate-limited': ['Retry-After', 'RateLimit-Policy', 'RateLimit'],
  'seats-taken': ['RateLimit-Policy', 'RateLimit'],
  overloaded: ['Retry-After'],
  'streams-exhausted': ['Retry-After'],
  unavailable: ['Retry-After'],
  'answer-unknown': ['Location', 'Retry-After'],
}

/** All that the document says of one status: the problems that have it, each with an example. */
export interface ProblemAnswer {
  readonly status: number
  readonly description: string
  readonly headers: readonly ResponseHeader[]
  readonly types: readonly string[]
  readonly examples: Readonly<Record<string, { readonly summary: string; readonly value: unknown }>>
}

/** Problems by their status, in order. */
export function problemAnswers(names: readonly ProblemName[]): ProblemAnswer[] {
  const statuses = [...new Set(names.map((name) => problems[name].status))].sort((a, b) => a - b)
  return statuses.map((status) => {
    const own = [...new Set(names)].filter((name) => problems[name].status === status)
    return {
      status,
      description: own.map((name) => `${problems[name].title} (\`${name}\`).`).join(' '),
      headers: [...new Set(own.flatMap((name) => headers[name] ?? []))],
      types: own.map((name) => typeOf(name)),
      examples: Object.fromEntries(
        own.map((name) => [name, { summary: problems[name].title, value: exampleOf(name) }]),
      ),
    }
  })
}

function exampleOf(name: ProblemName): unknown {
  return problem(name, 'What exactly is the matter.', { members: members[name] ?? {} }).body
}

function typeOf(name: ProblemName): string {
  return `urn:frontrow:problem:${name}`
}
