import { z } from 'zod'
import { performanceDefinitionSchema } from '../../shared/catalogue/performance-schema.ts'
import { idSchema } from '../../shared/ids.ts'
import { cursorSchema, nextSchema, pageLimitSchema } from './describe-pages.ts'
import type { Operation } from './operation.ts'

const instantSchema = z.iso.datetime()

const summaryExample = {
  id: 'hamlet-0101',
  eventId: 'hamlet',
  title: 'Hamlet',
  venue: 'Opera House',
  startsAt: '2027-01-01T19:00:00.000Z',
  saleOpensAt: '2026-12-01T10:00:00.000Z',
  saleClosesAt: '2027-01-01T18:00:00.000Z',
  version: 1,
}

const definitionExample = {
  title: 'Hamlet',
  venue: 'Opera House',
  startsAt: '2027-01-01T19:00:00Z',
  saleOpensAt: '2026-12-01T10:00:00Z',
  saleClosesAt: '2027-01-01T18:00:00Z',
  sections: [{ id: 'A', name: 'Stalls A', rows: [{ id: '1', seats: 30 }] }],
}

const versionSchema = z.number().int().min(1).meta({ description: 'Raised with each change.' })

const summaryFields = {
  id: idSchema,
  eventId: idSchema.meta({ description: 'The production it is a date of.' }),
  title: z.string(),
  venue: z.string(),
  startsAt: instantSchema,
  saleOpensAt: instantSchema.optional().meta({ description: 'Missing: always open.' }),
  saleClosesAt: instantSchema.optional().meta({ description: 'Missing: never closes.' }),
  version: versionSchema,
}

const sectionSchema = z.object({
  id: idSchema,
  name: z.string(),
  kind: z.string().meta({ description: '`SEATED`; others may join.' }),
  seats: z.number().int().min(0),
})

const params = z.object({
  performanceId: z.string().meta({ description: 'Id of the performance.', examples: ['hamlet-0101'] }),
})

export const listPerformances: Operation = {
  id: 'listPerformances',
  tag: 'catalogue',
  summary: 'All performances, by id',
  identity: 'none',
  query: z.object({ limit: pageLimitSchema, cursor: cursorSchema }),
  answers: {
    200: {
      description: 'A page of them.',
      schema: z
        .object({
          performances: z.array(z.object(summaryFields).meta({ id: 'PerformanceSummary' })),
          next: nextSchema,
        })
        .meta({ id: 'PerformancePage' }),
      example: { performances: [summaryExample], next: 'WyJoYW1sZXQtMDEwMSJd' },
    },
  },
  problems: ['validation', 'unavailable'],
}

export const getPerformance: Operation = {
  id: 'getPerformance',
  tag: 'catalogue',
  summary: 'A performance and its sections',
  identity: 'none',
  params,
  answers: {
    200: {
      description: 'The performance.',
      schema: z.object({ ...summaryFields, sections: z.array(sectionSchema) }).meta({ id: 'Performance' }),
      example: { ...summaryExample, sections: [{ id: 'A', name: 'Stalls A', kind: 'SEATED', seats: 30 }] },
    },
  },
  problems: ['not-found', 'unavailable'],
}

const putResultSchema = z.object({ id: idSchema, version: versionSchema }).meta({ id: 'PutResult' })

export const putPerformance: Operation = {
  id: 'putPerformance',
  tag: 'catalogue',
  summary: 'Create or replace a performance',
  description: 'The whole of it, not a change to it. Sold seats cannot vanish.',
  identity: 'admin',
  params,
  body: {
    schema: performanceDefinitionSchema.meta({ id: 'PerformanceDefinition' }),
    example: definitionExample,
  },
  answers: {
    200: {
      description: 'Replaced, or the same as before.',
      headers: ['Location'],
      schema: putResultSchema,
      example: { id: 'hamlet-0101', version: 2 },
    },
    201: {
      description: 'Created.',
      headers: ['Location'],
      schema: putResultSchema,
      example: { id: 'hamlet-0101', version: 1 },
    },
  },
  problems: [
    'malformed-json',
    'seats-sold',
    'body-too-large',
    'unsupported-media-type',
    'validation',
    'unavailable',
  ],
}

export const getSeats: Operation = {
  id: 'getSeats',
  tag: 'catalogue',
  summary: 'The seats of a section, and which are taken',
  description: 'What has not changed is not sent again: hand in its `ETag`.',
  identity: 'none',
  headers: ['If-None-Match'],
  params: params.extend({
    sectionId: z.string().meta({ description: 'Id of the section.', examples: ['A'] }),
  }),
  answers: {
    200: {
      description: 'The layout, and the taken seats.',
      headers: ['ETag'],
      schema: z
        .object({
          performanceId: idSchema,
          sectionId: idSchema,
          version: versionSchema,
          rows: z.array(z.object({ id: idSchema, seats: z.array(idSchema) })),
          taken: z.array(idSchema).meta({ description: 'Seat ids: row, hyphen, label.' }),
        })
        .meta({ id: 'SectionSeats' }),
      example: {
        performanceId: 'hamlet-0101',
        sectionId: 'A',
        version: 1,
        rows: [{ id: '1', seats: ['1', '2', '3'] }],
        taken: ['1-2'],
      },
    },
    304: { description: 'Unchanged.', headers: ['ETag'] },
  },
  problems: ['not-found', 'unavailable'],
}

export const watchSeats: Operation = {
  id: 'watchSeats',
  tag: 'catalogue',
  summary: 'What becomes of the seats, as it happens',
  description: `Server-sent events, of the types:

- \`reset\`: load the seats of the sections you show, then apply what follows. It comes first, and whenever something was missed.
- \`taken\` and \`freed\`, with \`{"sectionId": "A", "seatIds": ["1-17"]}\`.

Whoever comes back with \`Last-Event-ID\` is told what it missed, or \`reset\`. A client that does not keep up is let go. Where no process lives on (AWS Lambda, Cloudflare Workers) there is no such stream, and \`501\` is the answer.`,
  identity: 'none',
  headers: ['Last-Event-ID'],
  params,
  answers: {
    200: {
      description: 'A stream that does not end by itself.',
      headers: ['X-Accel-Buffering'],
      contentType: 'text/event-stream',
      example:
        'event: reset\ndata: {}\nid: 1795910400000-0\n\nevent: taken\ndata: {"sectionId":"A","seatIds":["1-17"]}\nid: 1795910400031-0\n\n',
    },
  },
  problems: ['not-found', 'not-offered', 'streams-exhausted', 'unavailable'],
}
