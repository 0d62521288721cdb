import { z } from 'zod'
import type { Operation } from './operation.ts'

const check = z.enum(['ok', 'away', 'stopping'])

const readinessSchema = z
  .object({
    status: z.enum(['ok', 'unavailable']),
    checks: z.object({ redis: check, mysql: check, topology: check, process: check }),
  })
  .meta({ id: 'Readiness' })

const checks = { redis: 'ok', mysql: 'ok', topology: 'ok', process: 'ok' }

export const livez: Operation = {
  id: 'livez',
  tag: 'operations',
  summary: 'Whether the process answers',
  identity: 'none',
  answers: {
    200: {
      description: 'It does.',
      schema: z.object({ status: z.literal('ok') }).meta({ id: 'Liveness' }),
      example: { status: 'ok' },
    },
  },
  problems: [],
}

export const readyz: Operation = {
  id: 'readyz',
  tag: 'operations',
  summary: 'Whether it can accept bookings',
  description: 'MySQL is reported, but does not decide: accepting goes on without it.',
  identity: 'none',
  answers: {
    200: { description: 'It can.', schema: readinessSchema, example: { status: 'ok', checks } },
    503: {
      description: 'It cannot, or is stopping.',
      schema: readinessSchema,
      example: { status: 'unavailable', checks: { ...checks, redis: 'away' } },
    },
  },
  problems: [],
}

export const metrics: Operation = {
  id: 'metrics',
  tag: 'operations',
  summary: 'Figures for Prometheus',
  identity: 'none',
  answers: {
    200: {
      description: 'The text that Prometheus scrapes.',
      contentType: 'text/plain',
      example: 'frontrow_accepts_total{command="book",answer="accepted"} 1\n',
    },
  },
  problems: [],
}

export const openApi: Operation = {
  id: 'openApi',
  tag: 'operations',
  summary: 'This document',
  identity: 'none',
  answers: {
    200: {
      description: 'OpenAPI 3.1.',
      schema: z.looseObject({ openapi: z.string() }).meta({ id: 'OpenApi' }),
      example: { openapi: '3.1.0' },
    },
  },
  problems: [],
}

export const docs: Operation = {
  id: 'docs',
  tag: 'operations',
  summary: 'This document, to read and to try',
  description:
    'Needs nothing from elsewhere. Where the platform does not bring the page along it is not found.',
  identity: 'none',
  answers: { 200: { description: 'A page.', contentType: 'text/html' } },
  problems: ['not-found'],
}

export const docsAsset: Operation = {
  id: 'docsAsset',
  tag: 'operations',
  summary: 'What that page is made of',
  identity: 'none',
  params: z.object({
    asset: z.string().meta({ description: 'A file of the page.', examples: ['swagger-ui.css'] }),
  }),
  answers: { 200: { description: 'A script or a style sheet.', contentType: '*/*' } },
  problems: ['not-found'],
}
